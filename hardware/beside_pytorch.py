#!/usr/bin/env python3
"""The Python package beside PyTorch: `retain_only` of the device that PyTorch uses changes nothing for it.

`cuda_primary_context` and PyTorch must be importable. Prints a line for each check. Exit status 1 if one failed.
"""

import ctypes
import os
import sys
import threading
import time

# What cuBLAS needs to return the same bits each time.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import cuda_primary_context as cpc  # noqa: E402
from harness import Target, run_rows  # noqa: E402

CHECKS = []


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
def pytorch_computes_before():
    import torch

    global work
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
def pytorch_comes_back_from_a_checkpoint():
    """A worker with PyTorch is suspended and resumed by the package, and computes the same."""
    with Target("torch_alone") as worker:
        try:
            room = cpc.checkpoint.memory_of(worker.pid)
        except cpc.NvmlError:
            room = cpc.checkpoint.TRUSTED
        times = [time.perf_counter()]
        with cpc.checkpoint.Process(worker.pid).lock(timeout=10) as locked:
            with locked.checkpoint(room=room) as suspended:
                times.append(time.perf_counter())
                equal(suspended.state(), "checkpointed", "state")
        times.append(time.perf_counter())
        equal(worker.works(), True, "the worker computes the same")
    suspend, resume = ((after - before) * 1e3 for before, after in zip(times, times[1:]))
    return f"suspended in {suspend:.0f} ms, resumed in {resume:.0f} ms"


@check
def pytorch_computes_to_the_end():
    equal(work.compute(), work.numbers, "PyTorch's numbers")
    equal(cpc.unreleased(), 0, "unreleased references")


def main():
    import torch

    if not torch.cuda.is_available():
        print("skipped: python: PyTorch finds no GPU")
        return 0
    rows = [(function.__name__, 0, lambda function=function: [function() or "passed"]) for function in CHECKS]
    return 1 if run_rows(rows, 50) else 0


if __name__ == "__main__":
    sys.exit(main())
