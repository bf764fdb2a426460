"""E6: time and device memory of initialising, retaining and releasing."""

import os

from .cells import Skip, cell
from .nvml import witness


@cell("E6", "milliseconds")
def milliseconds(run):
    """Of each call; NVML is not loaded, so that nothing else holds the device."""
    took = {}

    def call(step, name, *arguments):
        result = run.driver.call(name, arguments)
        if not result.ok:
            raise Skip(f"it needs a device: {name} returned {result}")
        took.setdefault(step, []).append(f"{result.milliseconds:.3f}")
        return result

    call("cuInit", "cuInit", 0)
    device = call("cuDeviceGet", "cuDeviceGet", 0)["device"]
    call("GetState", "cuDevicePrimaryCtxGetState", device)
    for _ in range(5):
        call("first retain", "cuDevicePrimaryCtxRetain", device)
        call("second retain", "cuDevicePrimaryCtxRetain", device)
        call("release, not last", "cuDevicePrimaryCtxRelease_v2", device)
        call("last release", "cuDevicePrimaryCtxRelease_v2", device)
    return "; ".join(f"{step} {' '.join(values)}" for step, values in took.items())


class Used:
    """Used MiB of device 0 after each step."""

    def __init__(self):
        self.nvml, self.steps = witness(), []

    def look(self, step):
        self.steps.append(f"{step} {self.nvml.settled_mib()}")

    def is_listed(self):
        return os.getpid() in self.nvml.processes()

    def __str__(self):
        return "MiB used: " + ", ".join(self.steps)


@cell("E6", "memory")
def memory(run):
    """Looking creates nothing, a retain creates a context, and the last release returns all of it."""
    used = Used()
    used.look("start")
    device = run.device()
    used.look("cuInit")
    run.states([device] * 20)
    run.driver.cuDeviceGetUuid_v2(device)
    run.driver.cuDeviceGetName(128, device)
    used.look("state and identity")
    listed = used.is_listed()
    run.retain(device)
    used.look("first retain")
    listed_then = used.is_listed()
    run.retain(device)
    used.look("second retain")
    run.release(device)
    run.release(device)
    used.look("last release")
    return f"{used}; NVML lists this process: before the retain {listed}, after it {listed_then}"
