"""E7: the case itself. A worker of device 1 touched every other device; then those contexts are released."""

import ctypes
import functools
import importlib.util
import json
import os
import tempfile
import time

from .cells import Skip, cell
from .nvml import Nvml

COUNT = 1 << 20
BOUND = 8


def uuid_of(run, device):
    raw = run.driver.cuDeviceGetUuid_v2(device)["uuid"]
    return "GPU-" + "-".join(raw[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


class Witness:
    """NVML's word on every device: memory, and whether this process is in its list."""

    def __init__(self, run, devices):
        self.run, self.devices, self.absent = run, [], None
        try:
            self.devices = [Nvml(uuid_of(run, device)) for device in devices]
        except (OSError, AttributeError) as error:
            self.absent = str(error)

    def look(self, when):
        seen = [(nvml.settled_mib(), os.getpid() in nvml.processes()) for nvml in self.devices]
        self.run.note(when=when, nvml_mib_and_listed=seen or f"no NVML: {self.absent}")
        return " ".join(f"{mib}{'+' if listed else '-'}" for mib, listed in seen) or "no NVML"


class DriverWorker:
    """Works on device 1 through the driver alone; its helper thread retained all others, and pins memory."""

    def __init__(self, run, devices):
        self.run, self.kept = run, devices[1]
        self.numbers = (ctypes.c_uint32 * COUNT)(*range(COUNT))
        run.driver.cuCtxSetCurrent(run.retain(self.kept))
        self.address = run.driver.cuMemAlloc_v2(4 * COUNT)["address"]
        run.driver.cuMemcpyHtoD_v2(self.address, self.numbers, 4 * COUNT)
        run.on_thread("helper", lambda: [self.touch(device) for device in devices if device != self.kept])

    def touch(self, device):
        self.run.driver.cuCtxSetCurrent(self.run.retain(device))
        self.run.driver.cuMemAllocHost_v2(1 << 20)

    def is_right(self):
        arrived = (ctypes.c_uint32 * COUNT)()
        copied = self.run.driver.cuMemcpyDtoH_v2(arrived, self.address, 4 * COUNT)
        return copied.ok and bytes(arrived) == bytes(self.numbers)


class TorchWorker:
    """PyTorch on device 1; a thread that was never told its device, pinned memory, a look at every GPU."""

    def __init__(self, run, devices):
        import torch
        self.torch = torch
        torch.manual_seed(7)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.cuda.set_device(1)
        host = torch.randn(1024, 1024)
        self.square, self.expected = host.to("cuda:1"), host.double() @ host.double()
        self.first = self.product()
        self.pinned = run.on_thread("helper", self.touch)
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
    answers = []
    for ordinal, device in enumerate(devices):
        if ordinal != 1:
            active = run.state(device).startswith("1/")
            answers.append(f"{ordinal} {run.release(device) if active else 'inactive'}->{run.state(device)}")
    return ", ".join(answers)


def until_inactive(run, devices):
    """As many releases as it takes."""
    return ", ".join(f"{ordinal} {run.release_until_inactive(device, BOUND)[0]} releases->{run.state(device)}"
                     for ordinal, device in enumerate(devices) if ordinal != 1)


def python_package(run, devices):
    if importlib.util.find_spec("cuda_primary_context") is None:
        raise Skip("the Python package cuda_primary_context is not installed")
    import cuda_primary_context
    began = time.perf_counter()
    guard = cuda_primary_context.retain_only(1)
    took = time.perf_counter() - began
    run.guard = guard  # kept until the process ends
    run.note(report=str(guard.report), milliseconds=round(took * 1e3, 3))
    outcomes = ", ".join(f"{device.ordinal} {device.outcome}" for device in guard.report.devices)
    return f"{outcomes} in {took * 1e3:.1f} ms"


def released(run, worker, release):
    devices = run.devices()
    witness = Witness(run, devices)
    looks = [witness.look("at first")]
    made = worker(run, devices)
    states = [run.states(devices)]
    looks.append(witness.look("with strays"))
    right = [made.is_right()]
    answer = release(run, devices)
    states.append(run.states(devices))
    looks.append(witness.look("released"))
    for _ in range(3):
        run.about_to_call("the worker")
        right.append(made.is_right())
    run.about_to_call("")
    return (f"states {' -> '.join(states)}; {answer}; MiB used and whether listed: {' -> '.join(looks)}; "
            f"device 1 right before and after: {right}")


RELEASES = {"loop": loop, "until-inactive": until_inactive, "python": python_package}
for way, release_by in RELEASES.items():
    cell("E7", f"driver-{way}", timeout=60)(
        functools.partial(released, worker=DriverWorker, release=release_by))
    cell("E7", f"torch-{way}", needs=("torch",), timeout=180)(
        functools.partial(released, worker=TorchWorker, release=release_by))


@cell("E7", "rust", timeout=60)
def rust(run):
    """The same from Rust, beside cudarc: retain_only(1) and its report."""
    program = run.program("several_gpus")
    run.devices()
    how, lines = run.start([program, "strays"], 50)
    told = [line for line in lines if line.startswith(("retain_only took", "device 1 works", "released"))]
    return f"{how}; {'; '.join(told)}"


def hold(run, worker):
    worker(run, run.devices())
    return "holds"


cell("E7", "hold-driver", hidden=True)(functools.partial(hold, worker=DriverWorker))
cell("E7", "hold-torch", hidden=True)(functools.partial(hold, worker=TorchWorker))


def traced(run, worker):
    """Who made the strays, by the command cuda-contexts."""
    trace = run.program("cuda-contexts")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        how, lines = run.start([trace, "trace", "--json", file.name, "--only", "1", *run.command_for(f"E7/{worker}")], 150)
        events = [json.loads(line) for line in file.read().decode().splitlines()]
    run.note(events=events[:200])
    named = [line.strip() for line in lines if "strays.py" in line]
    return f"{how}; {len(events)} events; lines that it names: {' | '.join(dict.fromkeys(named)) or 'none'}"


cell("E7", "traced-driver", timeout=60)(functools.partial(traced, worker="hold-driver"))
cell("E7", "traced-torch", needs=("torch",), timeout=180)(functools.partial(traced, worker="hold-torch"))
