#!/usr/bin/env python3
"""Beside PyTorch on a real GPU: `retain_only` of the device that PyTorch uses changes nothing for it.

    python3 beside_pytorch.py path/to/cuda_primary_context-….whl [--record DIR]

The wheel is unpacked, not installed, so that nothing but Python and PyTorch is needed. Prints one line a
check, and writes record.txt and record.json. Exit status: 0 all passed, 1 some failed, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve()
CHECKS: list[Callable[[], dict[str, Any]]] = []


class Skipped(Exception):
    """What a check lacks, in words."""


def check(function: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    CHECKS.append(function)
    return function


def equal(found: Any, expected: Any, what: str) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, and not {expected!r}")


class Work:
    """What PyTorch has and does on its device: objects from before, and numbers that must come out again."""

    def __init__(self) -> None:
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

    def compute(self) -> list[str]:
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


work: Work


def current_context() -> int:
    context = ctypes.c_void_p()
    code = ctypes.CDLL("libcuda.so.1").cuCtxGetCurrent(ctypes.byref(context))
    equal(code, 0, "cuCtxGetCurrent")
    return context.value or 0


def unchanged(report: Any, context: int) -> None:
    """PyTorch is where it was, its objects live, and its numbers come out again."""
    equal(report.current_context.change, "unchanged", "the thread's current context")
    equal(current_context(), context, "the current context's handle")
    equal(work.torch.cuda.current_device(), work.device.index, "PyTorch's current device")
    if work.compute() != work.numbers:
        raise AssertionError("PyTorch computes other numbers than before")


@check
def asking_creates_no_context() -> dict[str, Any]:
    """In a process of its own, before PyTorch: the driver, the devices, the contexts."""
    code = (
        "import cuda_primary_context as c, json;"
        "print(json.dumps([[x.to_dict() for x in f()] for f in (c.devices, c.contexts)]))"
    )
    named, states = json.loads(in_another_process(code))
    equal([state["active"] for state in states], [False] * len(states), "active contexts")
    return {"devices": named}


@check
def pytorch_computes_before() -> dict[str, Any]:
    import torch

    global work
    if not torch.cuda.is_available():
        raise Skipped("PyTorch finds no GPU")
    work = Work()
    equal(work.compute(), work.numbers, "PyTorch's own second run")
    active = [state.ordinal for state in cpc.contexts() if state.active]
    equal(active, [work.device.index], "devices with a context")
    free, total = torch.cuda.mem_get_info()
    return {"active": active, "free": free, "total": total, "allocated": torch.cuda.memory_allocated()}


@check
def the_plan_is_to_keep_it() -> dict[str, Any]:
    plan = cpc.plan(work.device)
    equal(plan.devices[work.device.index].planned, "keep", "planned")
    return plan.to_dict()


@check
def retain_only_changes_nothing_for_it() -> dict[str, Any]:
    torch, context = work.torch, current_context()
    uuid = cpc.devices()[work.device.index].uuid
    names = [torch.cuda.current_device(), work.device, uuid, cpc.devices()[work.device.index].pci_bus_id]
    memory = torch.cuda.mem_get_info()
    reports = []
    for name in names:
        with cpc.retain_only(name) as guard:
            equal(guard.report.devices[work.device.index].outcome, "kept", f"outcome for {name!r}")
            unchanged(guard.report, context)
        unchanged(guard.report, context)
        reports.append(guard.report.to_dict())
    after = torch.cuda.mem_get_info()
    # A context is several hundred MiB.
    if abs(after[0] - memory[0]) > 64 << 20:
        raise AssertionError(f"free memory went from {memory[0]} to {after[0]} bytes")
    print(guard.report)
    return {"names": [repr(name) for name in names], "free": [memory[0], after[0]], "reports": reports}


@check
def releasing_strays_changes_nothing_for_it() -> dict[str, Any]:
    context = current_context()
    report = cpc.release_strays(keep=[work.device])
    equal(report.devices[work.device.index].outcome, "kept", "outcome")
    equal(report.devices[work.device.index].calls, (), "calls for the kept device")
    unchanged(report, context)
    return report.to_dict()


@check
def another_thread_works_meanwhile() -> dict[str, Any]:
    """Guards come and go on one thread while PyTorch computes on another."""
    failures: list[str] = []
    rounds, guards = 0, 0
    done = threading.Event()

    def compute() -> None:
        nonlocal rounds
        while not done.is_set():
            rounds += 1
            if work.compute() != work.numbers:
                failures.append(f"other numbers in round {rounds}")

    thread = threading.Thread(target=compute)
    thread.start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with cpc.retain_only(work.device):
            guards += 1
    done.set()
    thread.join()
    equal(failures, [], "failures")
    return {"rounds": rounds, "guards": guards}


@check
def a_forked_child_is_told() -> dict[str, Any]:
    """It can do nothing, and says so; the parent's PyTorch goes on."""
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
    return {}


@check
def a_stray_context_goes() -> dict[str, Any]:
    """In a process of its own: one reference that nobody needs, and its memory by nvidia-smi."""
    code = f"import sys; sys.path.append({str(HERE.parent)!r}); import beside_pytorch; beside_pytorch.stray()"
    found: dict[str, Any] = json.loads(in_another_process(code))
    equal(found["outcome"], "released", "outcome")
    equal(found["active"], False, "active afterwards")
    return found


def stray() -> None:
    import cuda_primary_context as cpc

    driver, device, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_void_p()
    for code in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device),
    ):
        equal(code, 0, "the driver's answer")
    before = used_memory()
    began = time.perf_counter()
    report = cpc.release_strays()
    took = time.perf_counter() - began
    told = {
        "outcome": report.devices[0].outcome,
        "active": cpc.contexts()[0].active,
        "milliseconds": round(took * 1e3, 1),
        "used_MiB": [before, used_memory()],
        "report": report.to_dict(),
    }
    print(json.dumps(told))


def used_memory() -> int | None:
    """What nvidia-smi says is used on the first GPU, in MiB."""
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
def pytorch_comes_back_from_a_checkpoint() -> dict[str, Any]:
    """A worker with PyTorch is suspended and resumed by blocks, and computes the same."""
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True)
    assert child.stdin and child.stdout

    def ask() -> str:
        assert child.stdin and child.stdout
        print("again", file=child.stdin, flush=True)
        return child.stdout.readline()

    try:
        before = ask()
        room: Any = cpc.checkpoint.TRUSTED
        try:
            room, nvml = cpc.checkpoint.memory_of(child.pid), "told"
        except cpc.NvmlError as error:
            nvml = str(error)
        times = [time.perf_counter()]
        with cpc.checkpoint.Process(child.pid).lock(timeout=10) as locked:
            with locked.checkpoint(room=room) as suspended:
                times.append(time.perf_counter())
                equal(suspended.state(), "checkpointed", "state")
                times.append(time.perf_counter())
        times.append(time.perf_counter())
        equal(ask(), before, "what it computes")
    finally:
        child.kill()
        child.wait()
    milliseconds = [round((times[i + 1] - times[i]) * 1e3, 1) for i in (0, 2)]
    return {"lock and checkpoint, restore and unlock, ms": milliseconds, "nvml": nvml, "room": str(room)}


@check
def what_it_costs() -> dict[str, Any]:
    """A guard of the device that PyTorch holds: made, and given back."""
    times = []
    for _ in range(2000):
        began = time.perf_counter_ns()
        cpc.retain_only(work.device.index).release()
        times.append(time.perf_counter_ns() - began)
    quantiles = statistics.quantiles(times, n=100)
    return {"median_us": statistics.median(times) / 1e3, "p99_us": quantiles[98] / 1e3}


@check
def pytorch_computes_to_the_end() -> dict[str, Any]:
    equal(work.compute(), work.numbers, "PyTorch's numbers")
    equal(cpc.unreleased(), 0, "references given up on")
    return {"allocated": work.torch.cuda.memory_allocated()}


def in_another_process(code: str) -> str:
    path = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    process = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    equal(process.returncode, 0, process.stderr)
    return process.stdout.splitlines()[-1]


def run() -> list[dict[str, Any]]:
    results = []
    for function in CHECKS:
        result: dict[str, Any] = {"check": function.__name__}
        began = time.monotonic()
        try:
            result.update(answer="passed", found=function())
        except Skipped as reason:
            result.update(answer="skipped", found=str(reason))
        except Exception as error:
            result.update(answer="failed", found=f"{type(error).__name__}: {error}")
            traceback.print_exc()
        result["seconds"] = round(time.monotonic() - began, 2)
        results.append(result)
        print(f"{result['answer']:<8} {result['check']}  ({result['seconds']} s)", flush=True)
    return results


def machine(wheel: Path) -> dict[str, Any]:
    try:
        import torch

        pytorch: Any = {"version": torch.__version__, "cuda": torch.version.cuda}
    except ImportError as error:
        pytorch = str(error)
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        gpus = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")[:-1]
    except OSError as error:
        gpus = [str(error)]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "wheel": wheel.name,
        "package": cpc.__version__,
        "driver": cpc.driver().to_dict(),
        "gpus": gpus,
        "python": platform.python_version(),
        "pytorch": pytorch,
        "linux": platform.release(),
    }


def main() -> int:
    global cpc
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--record", type=Path, default=Path("record"), help="folder [default: record]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as unpacked:
        zipfile.ZipFile(options.wheel).extractall(unpacked)
        sys.path.insert(0, unpacked)
        # What cuBLAS needs to give the same bits each time.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        import cuda_primary_context as cpc

        about, results = machine(options.wheel), run()
    counts = {
        answer: sum(each["answer"] == answer for each in results)
        for answer in ("passed", "failed", "skipped")
    }
    summary = ", ".join(f"{count} {answer}" for answer, count in counts.items())
    options.record.mkdir(parents=True, exist_ok=True)
    (options.record / "record.json").write_text(
        json.dumps({**about, "checks": results}, indent=1) + "\n"
    )
    lines = [f"{name}: {value}" for name, value in about.items()]
    lines += [f"{each['answer']:<8} {each['check']}: {json.dumps(each['found'])}" for each in results]
    (options.record / "record.txt").write_text("\n".join([*lines, summary]) + "\n")
    print(summary)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
