"""E7: the case itself. A worker of device 1 touched every other device; then those contexts are released."""

import ctypes
import functools
import importlib.util
import os
import time

from .cells import Skip, cell
from .nvml import witness

COUNT = 1 << 20


def uuid_of(run, device):
    raw = run.driver.cuDeviceGetUuid_v2(device)["uuid"]
    return "GPU-" + "-".join(raw[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


class Witness:
    """What NVML shows of every device: memory, and whether this process is in its list."""

    def __init__(self, run, devices):
        try:
            self.devices = [witness(uuid_of(run, device)) for device in devices]
        except Skip:
            self.devices = []

    def look(self):
        seen = [(nvml.settled_mib(), os.getpid() in nvml.processes()) for nvml in self.devices]
        return " ".join(f"{mib}{'+' if listed else '-'}" for mib, listed in seen) or "no NVML"


class DriverWorker:
    """Works on device 1 through the driver alone; a helper thread retains the others and pins memory."""

    def __init__(self, run, devices):
        self.run, self.kept = run, devices[1]
        self.numbers = (ctypes.c_uint32 * COUNT)(*range(COUNT))
        run.driver.cuCtxSetCurrent(run.retain(self.kept))
        self.address = run.driver.cuMemAlloc_v2(4 * COUNT)["address"]
        run.driver.cuMemcpyHtoD_v2(self.address, self.numbers, 4 * COUNT)
        run.on_thread(lambda: [self.touch(device) for device in devices if device != self.kept])

    def touch(self, device):
        self.run.driver.cuCtxSetCurrent(self.run.retain(device))
        # The simulator does not model this call: it returns CUDA_ERROR_NOT_SUPPORTED (801).
        self.run.driver.cuMemAllocHost_v2(1 << 20)

    def is_right(self):
        arrived = (ctypes.c_uint32 * COUNT)()
        copied = self.run.driver.cuMemcpyDtoH_v2(arrived, self.address, 4 * COUNT)
        return copied.ok and bytes(arrived) == bytes(self.numbers)


class TorchWorker:
    """PyTorch on device 1; a thread that selected no device pins memory, and every other GPU is touched."""

    def __init__(self, run, devices):
        import torch
        self.torch = torch
        torch.manual_seed(7)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.cuda.set_device(1)
        host = torch.randn(1024, 1024)
        self.square, self.expected = host.to("cuda:1"), host.double() @ host.double()
        self.first = self.product()
        self.pinned = run.on_thread(self.touch)
        for ordinal in range(2, len(devices)):
            torch.ones(1, device=f"cuda:{ordinal}")
        torch.cuda.synchronize(1)

    def touch(self):
        self.torch.ones(1, device="cuda")
        return self.torch.empty(1024, pin_memory=True)

    def product(self):
        return (self.square @ self.square).double().cpu()

    def is_right(self):
        again = self.product()
        return bool((again == self.first).all()) and (again - self.expected).abs().max().item() < 1e-2


def loop(run, devices):
    """The loop of vLLM pull request 42874: one release of whatever is active and not device 1."""
    codes = []
    for ordinal, device in enumerate(devices):
        if ordinal != 1 and run.state(device).startswith("1/"):
            codes.append(f"{ordinal}: {run.release(device)} -> {run.state(device)}")
    return ", ".join(codes)


def python_package(run, devices):
    if importlib.util.find_spec("cuda_primary_context") is None:
        raise Skip("the Python package cuda_primary_context is not installed")
    import cuda_primary_context
    began = time.perf_counter()
    guard = cuda_primary_context.retain_only(1)
    took = time.perf_counter() - began
    run.guard = guard  # kept until the process ends
    outcomes = ", ".join(f"{device.ordinal} {device.outcome}" for device in guard.report.devices)
    return f"{outcomes} in {took * 1e3:.1f} ms"


def released(run, worker, release):
    devices = run.devices()
    nvml = Witness(run, devices)
    looks = [nvml.look()]
    made = worker(run, devices)
    states = [run.states(devices)]
    looks.append(nvml.look())
    right = [made.is_right()]
    done = release(run, devices)
    states.append(run.states(devices))
    looks.append(nvml.look())
    run.about_to("the worker's work")
    right += [made.is_right() for _ in range(3)]
    return (f"states {' -> '.join(states)}; {done}; MiB used, + if listed: {' -> '.join(looks)}; "
            f"device 1 right before and after: {right}")


for way, release in {"loop": loop, "python": python_package}.items():
    cell("E7", f"driver-{way}", timeout=60)(functools.partial(released, worker=DriverWorker, release=release))
    cell("E7", f"torch-{way}", needs=("torch",), timeout=120)(
        functools.partial(released, worker=TorchWorker, release=release))


@cell("E7", "rust", timeout=60)
def rust(run):
    """The same from Rust, beside cudarc: retain_only(1) and its report."""
    program = run.program("several_gpus")
    run.devices()
    how, lines = run.start([program, "strays"], 50)
    shown = [line for line in lines if line.startswith(("retain_only took", "device 1 works", "released"))]
    return f"{how}; {'; '.join(shown)}"


def hold(run, worker):
    worker(run, run.devices())
    return "holds"


def traced(run, worker):
    """The lines that `cuda-contexts trace` names as those that made the strays."""
    trace = run.program("cuda-contexts")
    run.devices()
    how, lines = run.start([trace, "trace", "--only", "1", "--", *run.command_for(f"E7/hold-{worker}")], 110)
    named = [line.strip() for line in lines if "strays.py" in line]
    return f"{how}; {' | '.join(dict.fromkeys(named)) or 'it names no line'}"


for name, worker in {"driver": DriverWorker, "torch": TorchWorker}.items():
    needs = ("torch",) if name == "torch" else ()
    cell("E7", f"hold-{name}", hidden=True)(functools.partial(hold, worker=worker))
    cell("E7", f"traced-{name}", needs=needs, timeout=120)(functools.partial(traced, worker=name))
