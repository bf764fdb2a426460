"""E22: does the driver tear down several contexts at once? Last releases one by one, and on as many threads."""

import functools
import threading
import time

from .cells import cell

ROUNDS = 3
# What a dry run takes for one; a real driver does not read it.
SIMULATED = {"SIMULATED_CUDA_KNOBS": "retain_microseconds=2000,release_microseconds=20000"}


def one_by_one(run, devices):
    return [(str(run.release(device)), time.perf_counter()) for device in devices]


def on_threads(run, devices):
    release = run.driver.raw("cuDevicePrimaryCtxRelease_v2")
    barrier, ends = threading.Barrier(len(devices)), [None] * len(devices)

    def body(number):
        barrier.wait()
        code = release(devices[number])
        ends[number] = (str(code), time.perf_counter())

    threads = [threading.Thread(target=body, args=(number,)) for number in range(len(devices))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.note(releases_on_threads=[code for code, _ in ends])
    return ends


def together(run, works):
    """All devices but one are released, of two both; with `works`, each has 256 MiB allocated."""
    devices = run.devices()
    others = devices
    if len(devices) > 2:
        run.retain(devices[0])
        others = devices[1:]
    took = {"one by one": [], "on threads": []}
    answers = set()
    for _ in range(ROUNDS):
        for name, way in (("one by one", one_by_one), ("on threads", on_threads)):
            for device in others:
                context = run.retain(device)
                if works:
                    run.driver.cuCtxSetCurrent(context)
                    run.driver.cuMemAlloc_v2(256 << 20)
            run.driver.cuCtxSetCurrent(None)
            began = time.perf_counter()
            ends = way(run, others)
            took[name].append(round((max(end for _, end in ends) - began) * 1e3, 2))
            answers |= {code for code, _ in ends}
    run.note(milliseconds=took, answers=sorted(answers), states=run.states(devices))
    ratio = min(took["one by one"]) / min(took["on threads"])
    return (f"{len(others)} last releases, ms: " + ", ".join(f"{name} {times}" for name, times in took.items())
            + f"; {ratio:.2f} times as fast on threads; answers {sorted(answers)}; {run.states(devices)}")


cell("E22", "empty", timeout=120, environment=SIMULATED)(functools.partial(together, works=False))
cell("E22", "with-memory", timeout=120, environment=SIMULATED)(functools.partial(together, works=True))
