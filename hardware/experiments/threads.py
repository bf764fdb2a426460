"""E13: counts under many threads, races to the last release, the last release under running work."""

import ctypes
import functools
import threading
import time

from .c_loops import Loops
from .cells import Skip, cell

THREADS, ROUNDS = 32, 10_000
SPIN_SECONDS = 1
# Spins until the given nanoseconds have passed on the device's timer, with a bound on the rounds.
SPIN = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry spin(.param .u64 duration)
{
    .reg .pred %p<3>;
    .reg .u64 %rd<6>;
    ld.param.u64 %rd1, [duration];
    mov.u64 %rd2, %globaltimer;
    mov.u64 %rd5, 0;
again:
    mov.u64 %rd3, %globaltimer;
    sub.u64 %rd4, %rd3, %rd2;
    add.u64 %rd5, %rd5, 1;
    setp.lt.u64 %p1, %rd4, %rd1;
    setp.lt.and.u64 %p2, %rd5, 400000000, %p1;
    @%p2 bra again;
    ret;
}
"""


def together(count, function):
    """Runs a function on several threads that start at once; gives their results."""
    barrier, results = threading.Barrier(count), []

    def body():
        barrier.wait()
        results.append(function())

    threads = [threading.Thread(target=body, name=f"racer {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def failures(results):
    """All failed calls of loops that ran together."""
    return sum(failed for _, failed in results)


@cell("E13", "counts-exact", needs=("compiler",), timeout=60)
def counts_exact(run):
    """32 threads retain and release 10^4 times each over one reference of ours."""
    device, loops = run.device(), Loops(run)
    run.retain(device)
    start = time.perf_counter()
    failed = failures(together(THREADS, lambda: loops.retain_release(device, ROUNDS)))
    seconds = time.perf_counter() - start
    released, last, state = run.release_until_inactive(device, 8)
    each = round(seconds / (THREADS * ROUNDS) * 1e9)
    run.note(failed=failed, nanoseconds_per_pair=each)
    return (f"{failed} failures; {each} ns per pair over all threads; "
            f"{released} release (expected 1), last {last} -> {state}")


@cell("E13", "counts-add-up", needs=("compiler",), timeout=60)
def counts_add_up(run):
    """32 threads retain 1000 times each; one thread counts the releases to inactive."""
    device, loops = run.device(), Loops(run)
    failed = failures(together(THREADS, lambda: loops.retain(device, 1000)))
    counts = loops.race_to_inactive(device)
    run.note(failed=failed, counts=counts)
    return f"{failed} failed retains; {counts[0]} releases of {THREADS * 1000} -> {run.state(device)}"


@cell("E13", "race-of-two", needs=("compiler",), timeout=60)
def race_of_two(run):
    """Two threads do GetState then Release while active: 201 for the slower one, or worse?"""
    device, loops, rounds = run.device(), Loops(run), []
    for references in [20_000] + [3] * 8:
        loops.retain(device, references)
        results = together(2, lambda: loops.race_to_inactive(device))
        totals = [sum(column) for column in zip(*[result[:3] for result in results])]
        rounds.append((references, *totals))
        run.note(references=references, results=results, state=run.state(device))
    exact = all(released == references for references, released, *_ in rounds)
    return (f"releases {'always equal' if exact else 'DIFFER FROM'} the references; "
            f"refused with 201: {sum(row[2] for row in rounds)}, other failures: "
            f"{sum(row[3] for row in rounds)}; {run.state(device)}")


@cell("E13", "zero-crossings", needs=("compiler",), timeout=60)
def zero_crossings(run):
    """4 threads retain and release with no reference underneath: contexts come and go."""
    device, loops = run.device(), Loops(run)
    start = time.perf_counter()
    failed = failures(together(4, lambda: loops.retain_release(device, 4)))
    seconds = round(time.perf_counter() - start, 2)
    run.note(failed=failed, seconds=seconds)
    return f"{failed} failures of 32 calls in {seconds} s; {run.state(device)}"


def busy_stream(run):
    """A stream with a kernel that runs for a second, or a long row of memsets where PTX is refused."""
    stream = run.driver.cuStreamCreate(1)["stream"]
    module = run.driver.cuModuleLoadData(SPIN)
    if module.ok:
        function = run.driver.cuModuleGetFunction(module["module"], b"spin")
        duration = ctypes.c_uint64(SPIN_SECONDS * 10**9)
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(duration))
        launched = run.driver.cuLaunchKernel(function["function"], 1, 1, 1, 1, 1, 1, 0, stream,
                                             parameters, None)
        if launched.ok:
            return stream, f"{SPIN_SECONDS} s kernel"
    size = 2**30
    memory, memset = run.driver.cuMemAlloc_v2(size), run.driver.raw("cuMemsetD8Async")
    if not memory.ok or memset is None:
        raise Skip(f"no kernel (cuModuleLoadData {module}) and no memset (cuMemAlloc {memory})")
    # A driver without a GPU does each at once: then the bound is the time.
    enough, rows = time.monotonic() + 2, 0
    while rows < 500 and time.monotonic() < enough:
        memset(memory["address"], 1, size, stream)
        rows += 1
    return stream, f"{rows} memsets of 1 GiB"


def release_under_work(run, waiting):
    """Another thread drops the last reference while work of this one runs on the device."""
    device = run.device()
    run.driver.cuCtxSetCurrent(run.retain(device))
    stream, work = busy_stream(run)
    running = run.driver.cuStreamQuery(stream)
    box = {}

    def release():
        if waiting:
            time.sleep(0.2)
        start = time.perf_counter()
        box["answer"] = run.release(device)
        box["seconds"] = round(time.perf_counter() - start, 3)
        box["state"] = run.state(device)

    thread = threading.Thread(target=release, name="releaser")
    start = time.perf_counter()
    thread.start()
    answers = []
    if waiting:
        answers.append(f"the waiting StreamSynchronize {run.driver.cuStreamSynchronize(stream)} "
                       f"after {round(time.perf_counter() - start, 3)} s")
    thread.join()
    run.note(work=work, running=str(running), answer=str(box["answer"]), seconds=box["seconds"],
             state=box["state"])
    answers.append(f"CtxSynchronize {run.driver.cuCtxSynchronize()}")
    again = run.driver.cuDevicePrimaryCtxRetain(device)
    answers.append(f"retain {again}, MemAlloc {run.driver.cuMemAlloc_v2(2**20)}, "
                   f"CtxSynchronize {run.driver.cuCtxSynchronize()}")
    return (f"{work}, StreamQuery {running}; last release {box['answer']} took {box['seconds']} s "
            f"-> {box['state']}; then {', '.join(answers)}")


cell("E13", "release-under-kernel", timeout=40)(functools.partial(release_under_work, waiting=False))
cell("E13", "release-under-waiting-thread", timeout=40)(
    functools.partial(release_under_work, waiting=True))
