#!/usr/bin/env python3
"""The Python package beside PyTorch: `retain_only` of the device that PyTorch uses changes nothing for it.

`cuda_primary_context` and PyTorch must be importable. Prints a line for each check. Exit status 1 if one failed.
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

# What cuBLAS needs to return the same bits each time.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import cuda_primary_context as cpc  # noqa: E402

CHECKS = []


class Skipped(Exception):
    """What a check lacks, in words."""


def check(function):
    CHECKS.append(function)
    return function


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, and not {expected!r}")


class Work:
    """Objects of PyTorch on its device, and numbers that must come out again."""

    def __init__(self):
        import torch

        torch.manual_seed(42)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cuda.matmul.allow_tf32 = False
        self.torch = torch
        self.device = torch.device("cuda", torch.cuda.current_device())
        self.left = torch.randn(1024, 1024, device=self.device)
        self.right = torch.randn(1024, 1024, device=self.device)
        self.pinned = torch.arange(1 << 20, dtype=torch.float32).pin_memory()
        self.stream = torch.cuda.Stream(self.device)
        self.event = torch.cuda.Event(enable_timing=True)
        self.layer = torch.nn.Conv2d(3, 8, 3).to(self.device)
        self.image = torch.randn(2, 3, 32, 32, device=self.device)
        self.numbers = self.compute()

    def compute(self):
        """Bit for bit: a product, a sum of old memory, a copy on a stream, a convolution, a new tensor."""
        torch = self.torch
        product = self.left @ self.right
        with torch.cuda.stream(self.stream):
            copied = self.pinned.to(self.device, non_blocking=True).sum()
        self.event.record(self.stream)
        self.event.synchronize()
        with torch.no_grad():
            convolved = self.layer(self.image)
        new = torch.full((1 << 22,), 3.0, device=self.device)
        torch.cuda.synchronize(self.device)
        tensors = [product, self.left, self.right, convolved, copied, new.sum(), new[-1]]
        return [each.detach().cpu().numpy().tobytes().hex()[:4096] for each in tensors]


work = None


def current_context():
    context = ctypes.c_void_p()
    equal(ctypes.CDLL("libcuda.so.1").cuCtxGetCurrent(ctypes.byref(context)), 0, "cuCtxGetCurrent")
    return context.value or 0


def unchanged(report, context):
    """PyTorch is where it was, its objects live, and its numbers come out again."""
    equal(report.current_context.change, "unchanged", "the thread's current context")
    equal(current_context(), context, "the current context's handle")
    equal(work.torch.cuda.current_device(), work.device.index, "PyTorch's current device")
    equal(work.compute() == work.numbers, True, "PyTorch computes the same numbers")


@check
def queries_create_no_context():
    """In a process of its own, before PyTorch: the driver, the devices, the contexts."""
    code = (
        "import cuda_primary_context as c;"
        "print(len(c.devices()), any(each.active for each in c.contexts()))"
    )
    count, active = in_another_process(code).split()
    equal(active, "False", "active contexts")
    return f"{count} devices"


@check
def pytorch_computes_before():
    import torch

    global work
    if not torch.cuda.is_available():
        raise Skipped("PyTorch finds no GPU")
    work = Work()
    equal(work.compute(), work.numbers, "PyTorch's own second run")
    active = [state.ordinal for state in cpc.contexts() if state.active]
    equal(active, [work.device.index], "devices with a context")
    equal(cpc.plan(work.device).devices[work.device.index].planned, "keep", "planned")
    return f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}"


@check
def retain_only_changes_nothing_for_pytorch():
    torch, context = work.torch, current_context()
    device = cpc.devices()[work.device.index]
    memory = torch.cuda.mem_get_info()[0]
    for name in (work.device.index, work.device, device.uuid, device.pci_bus_id):
        with cpc.retain_only(name) as guard:
            equal(guard.report.devices[work.device.index].outcome, "kept", f"outcome for {name!r}")
            unchanged(guard.report, context)
        unchanged(guard.report, context)
    grown = memory - torch.cuda.mem_get_info()[0]
    # A context is several hundred MiB.
    equal(abs(grown) < 64 << 20, True, f"free memory is the same, and not {grown} bytes less")


@check
def release_strays_changes_nothing_for_pytorch():
    context = current_context()
    report = cpc.release_strays(keep=[work.device])
    equal(report.devices[work.device.index].outcome, "left_alone", "outcome")
    unchanged(report, context)


@check
def another_thread_works_meanwhile():
    """Guards come and go on one thread while PyTorch computes on another."""
    rounds, guards, done = [], 0, threading.Event()

    def compute():
        while not done.is_set():
            rounds.append(work.compute() == work.numbers)

    thread = threading.Thread(target=compute)
    thread.start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with cpc.retain_only(work.device):
            guards += 1
    done.set()
    thread.join()
    equal(all(rounds), True, "PyTorch computes the same numbers in each round")
    return f"{len(rounds)} rounds, {guards} guards"


@check
def a_forked_child_gets_an_error():
    """The child can do nothing and says so; the parent's PyTorch continues."""
    context = current_context()
    child = os.fork()
    if child == 0:
        try:
            cpc.retain_only(0)
        except cpc.ForkedAfterInitError:
            os._exit(7)
        finally:
            os._exit(1)
    equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7, "the child's exit status")
    unchanged(cpc.release_strays(keep=[work.device]), context)


@check
def a_stray_context_is_released():
    """In a process of its own: one reference that nobody needs, and its memory by nvidia-smi."""
    folder = str(Path(__file__).resolve().parent)
    code = f"import sys; sys.path.append({folder!r}); import beside_pytorch; beside_pytorch.stray()"
    found = json.loads(in_another_process(code))
    equal(found.pop("outcome"), "released", "outcome")
    equal(found.pop("active"), False, "active afterwards")
    return found


def stray():
    driver, device, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_void_p()
    for code in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device),
    ):
        equal(code, 0, "the result code")
    before = used_memory()
    began = time.perf_counter()
    report = cpc.release_strays()
    milliseconds = round((time.perf_counter() - began) * 1e3, 1)
    found = {"outcome": report.devices[0].outcome, "active": any(each.active for each in cpc.contexts())}
    print(json.dumps({**found, "milliseconds": milliseconds, "used_MiB": [before, used_memory()]}))


def used_memory():
    """What nvidia-smi shows as used on the first GPU, in MiB."""
    query = ["nvidia-smi", "--id=0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


CHILD = """
import sys, torch
a = torch.arange(1 << 20, device="cuda", dtype=torch.float64)
for line in sys.stdin:
    print(float((a * 2).sum().item()), flush=True)
"""


@check
def pytorch_comes_back_from_a_checkpoint():
    """A worker with PyTorch is suspended and resumed, and computes the same."""
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True)

    def compute():
        print("again", file=child.stdin, flush=True)
        return child.stdout.readline()

    try:
        before = compute()
        room = cpc.checkpoint.TRUSTED
        try:
            room = cpc.checkpoint.memory_of(child.pid)
        except cpc.NvmlError:
            pass
        times = [time.perf_counter()]
        with cpc.checkpoint.Process(child.pid).lock(timeout=10) as locked:
            with locked.checkpoint(room=room) as suspended:
                times.append(time.perf_counter())
                equal(suspended.state(), "checkpointed", "state")
        times.append(time.perf_counter())
        equal(compute(), before, "what it computes")
    finally:
        child.kill()
        child.wait()
    suspend, resume = ((after - before) * 1e3 for before, after in zip(times, times[1:]))
    return f"suspended in {suspend:.0f} ms, resumed in {resume:.0f} ms"


@check
def what_a_guard_costs():
    """A guard of the device that PyTorch holds, created and released."""
    times = []
    for _ in range(2000):
        began = time.perf_counter_ns()
        cpc.retain_only(work.device.index).release()
        times.append((time.perf_counter_ns() - began) / 1e3)
    return f"median {statistics.median(times):.1f} µs, p99 {statistics.quantiles(times, n=100)[98]:.1f} µs"


@check
def pytorch_computes_to_the_end():
    equal(work.compute(), work.numbers, "PyTorch's numbers")
    equal(cpc.unreleased(), 0, "unreleased references")


def in_another_process(code):
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    equal(process.returncode, 0, process.stderr)
    return process.stdout.splitlines()[-1]


def main():
    failed = 0
    for function in CHECKS:
        try:
            print(f"passed: {function.__name__}: {function() or 'yes'}", flush=True)
        except Skipped as reason:
            print(f"skipped: python: {reason}")
            return 0
        except Exception as error:
            failed += 1
            print(f"FAILED: {function.__name__}: {type(error).__name__}: {error}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
