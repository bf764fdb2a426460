"""E6: time and device memory of initialising, retaining and releasing."""

import ctypes
import functools
import os

from .cells import Skip, cell
from .nvml import witness

LIVE_BYTES = 512 << 20


class VmmProperties(ctypes.Structure):
    """CUmemAllocationProp for pinned memory on one device."""
    _fields_ = [("type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location_type", ctypes.c_int),
                ("location_id", ctypes.c_int), ("win32", ctypes.c_void_p), ("flags", ctypes.c_ubyte * 8)]


class VmmAccess(ctypes.Structure):
    """CUmemAccessDesc: read and write from one device."""
    _fields_ = [("location_type", ctypes.c_int), ("location_id", ctypes.c_int), ("flags", ctypes.c_int)]


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


def allocate_plain(run, device):
    address = run.driver.cuMemAlloc_v2(LIVE_BYTES)
    return address, lambda: run.driver.cuMemFree_v2(address["address"])


def allocate_pool(run, device):
    address = run.driver.cuMemAllocAsync(LIVE_BYTES, None)
    run.driver.cuStreamSynchronize(None)

    def give_back():
        pool = run.driver.cuDeviceGetDefaultMemPool(device)["pool"]
        run.driver.cuMemFreeAsync(address["address"], None)
        run.driver.cuStreamSynchronize(None)
        return run.driver.cuMemPoolTrimTo(pool, 0)

    return address, give_back


def allocate_vmm(run, device):
    handle = run.driver.cuMemCreate(LIVE_BYTES, VmmProperties(type=1, location_type=1, location_id=device), 0)
    place = run.driver.cuMemAddressReserve(LIVE_BYTES, 0, 0, 0)
    run.driver.cuMemMap(place["address"], LIVE_BYTES, 0, handle["handle"], 0)
    run.driver.cuMemSetAccess(place["address"], LIVE_BYTES, VmmAccess(1, device, 3), 1)

    def give_back():
        run.driver.cuMemUnmap(place["address"], LIVE_BYTES)
        run.driver.cuMemRelease(handle["handle"])
        return run.driver.cuMemAddressFree(place["address"], LIVE_BYTES)

    return handle, give_back


def live_memory(run, allocate):
    """How much of 512 MiB the last release returns to the device."""
    used = Used()
    device = run.device()
    used.look("inactive")
    run.driver.cuCtxSetCurrent(run.retain(device))
    used.look("retained")
    made, give_back = allocate(run, device)
    if not made.ok:
        raise Skip(f"the allocation returned {made}")
    used.look("allocated")
    run.release(device)
    used.look("last release")
    run.retain(device)
    freed = give_back()
    run.release(device)
    used.look(f"freed ({freed}) and released again")
    return str(used)


for kind, allocator in {"cumemalloc": allocate_plain, "pool": allocate_pool, "vmm": allocate_vmm}.items():
    cell("E6", f"live-{kind}")(functools.partial(live_memory, allocate=allocator))
