"""E6: time and device memory of initialising, retaining and releasing."""

import ctypes
import functools
import os
import time

from .cells import Skip, cell
from .nvml import Nvml

MIB = 2**20
LIVE_BYTES = 512 * MIB


class VmmProperties(ctypes.Structure):
    """CUmemAllocationProp for pinned memory on one device."""
    _fields_ = [("type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location_type", ctypes.c_int),
                ("location_id", ctypes.c_int), ("win32", ctypes.c_void_p), ("flags", ctypes.c_ubyte * 8)]


class VmmAccess(ctypes.Structure):
    """CUmemAccessDesc: read and write from one device."""
    _fields_ = [("location_type", ctypes.c_int), ("location_id", ctypes.c_int), ("flags", ctypes.c_int)]


def witness():
    """NVML, or a skip where it is absent."""
    try:
        return Nvml()
    except (OSError, AttributeError) as error:
        raise Skip(f"no NVML: {error}")


def timing(run, rounds):
    """Milliseconds of each call; NVML is not loaded, so that nothing else holds the device."""
    took = {}

    def call(step, name, *arguments):
        result = run.driver.call(name, arguments)
        if not result.ok:
            raise Skip(f"no device: {name} answered {result}")
        took.setdefault(step, []).append(round(result.nanoseconds / 1e6, 3))
        return result

    start = time.perf_counter_ns()
    run.driver
    took["load"] = [round((time.perf_counter_ns() - start) / 1e6, 3)]
    call("cuInit", "cuInit", 0)
    call("cuInit again", "cuInit", 0)
    device = call("cuDeviceGet", "cuDeviceGet", 0)["device"]
    call("GetState", "cuDevicePrimaryCtxGetState", device)
    for _ in range(rounds):
        call("first retain", "cuDevicePrimaryCtxRetain", device)
        call("second retain", "cuDevicePrimaryCtxRetain", device)
        call("release, not last", "cuDevicePrimaryCtxRelease_v2", device)
        call("last release", "cuDevicePrimaryCtxRelease_v2", device)
    run.note(milliseconds=took)
    return "ms: " + ", ".join(f"{step} {' '.join(map(str, values))}" for step, values in took.items())


def memory(run):
    """Used MiB after each step, as NVML sees the whole device."""
    nvml = witness()
    used = {"start": nvml.settled_mib()}

    def look(step):
        used[step] = nvml.settled_mib()

    device = run.device()
    look("cuInit")
    for number in range(3):
        run.retain(device)
        look(f"first retain {number}")
        run.retain(device)
        look(f"second retain {number}")
        run.release(device)
        run.release(device)
        look(f"last release {number}")
    listed = nvml.processes()
    run.note(used_mib=used, processes_after=listed, own_pid=os.getpid())
    return "MiB used: " + ", ".join(f"{step} {value}" for step, value in used.items())


for mode in ("LAZY", "EAGER"):
    for attempt in (1, 2, 3):
        cell("E6", f"time-{mode.lower()}-{attempt}", environment={"CUDA_MODULE_LOADING": mode})(
            functools.partial(timing, rounds=3))
    cell("E6", f"memory-{mode.lower()}", environment={"CUDA_MODULE_LOADING": mode})(memory)


def allocate_plain(run, device):
    address = run.driver.cuMemAlloc_v2(LIVE_BYTES)
    return address, lambda: str(run.driver.cuMemFree_v2(address["address"]))


def allocate_pool(run, device):
    address = run.driver.cuMemAllocAsync(LIVE_BYTES, None)
    run.driver.cuStreamSynchronize(None)

    def give_back():
        pool = run.driver.cuDeviceGetDefaultMemPool(device)["pool"]
        freed = run.driver.cuMemFreeAsync(address["address"], None)
        run.driver.cuStreamSynchronize(None)
        return f"cuMemFreeAsync {freed}, cuMemPoolTrimTo {run.driver.cuMemPoolTrimTo(pool, 0)}"

    return address, give_back


def allocate_vmm(run, device):
    properties = VmmProperties(type=1, location_type=1, location_id=device)
    handle = run.driver.cuMemCreate(LIVE_BYTES, properties, 0)
    place = run.driver.cuMemAddressReserve(LIVE_BYTES, 0, 0, 0)
    mapped = run.driver.cuMemMap(place["address"], LIVE_BYTES, 0, handle["handle"], 0)
    access = VmmAccess(location_type=1, location_id=device, flags=3)
    allowed = run.driver.cuMemSetAccess(place["address"], LIVE_BYTES, access, 1)
    run.note(mapped=str(mapped), access=str(allowed))

    def give_back():
        return (f"cuMemUnmap {run.driver.cuMemUnmap(place['address'], LIVE_BYTES)}, "
                f"cuMemRelease {run.driver.cuMemRelease(handle['handle'])}, "
                f"cuMemAddressFree {run.driver.cuMemAddressFree(place['address'], LIVE_BYTES)}")

    return handle, give_back


def live_memory(run, allocate):
    """How much of the device memory comes back at the last release with 512 MiB live."""
    nvml = witness()
    device = run.device()
    used = {"inactive": nvml.settled_mib()}
    run.driver.cuCtxSetCurrent(run.retain(device))
    used["retained"] = nvml.settled_mib()
    made, give_back = allocate(run, device)
    if not made.ok:
        raise Skip(f"the allocation answered {made}")
    used["allocated"] = nvml.settled_mib()
    run.release(device)
    used["last release"] = nvml.settled_mib()
    run.retain(device)
    used["retained again"] = nvml.settled_mib()
    run.note(used_mib=used)
    given = give_back()
    used["given back"] = nvml.settled_mib()
    run.release(device)
    used["released again"] = nvml.settled_mib()
    run.note(used_mib=used, given_back=given)
    return ("MiB used: " + ", ".join(f"{step} {value}" for step, value in used.items())
            + f"; giving back: {given}")


for kind, allocator in {"cumemalloc": allocate_plain, "pool": allocate_pool, "vmm": allocate_vmm}.items():
    cell("E6", f"live-{kind}")(functools.partial(live_memory, allocate=allocator))


@cell("E6", "untouched-device")
def untouched(run):
    """Does cuInit, does GetState create anything on a device that nobody touched?"""
    nvml = witness()
    used = {"start": nvml.settled_mib()}
    device = run.device()
    used["cuInit"], listed = nvml.settled_mib(), os.getpid() in nvml.processes()
    states = {run.state(device) for _ in range(20)}
    used["GetState"], listed_after = nvml.settled_mib(), os.getpid() in nvml.processes()
    run.driver.cuDeviceGetUuid_v2(device)
    run.driver.cuDeviceGetName(128, device)
    used["identity"] = nvml.settled_mib()
    run.retain(device)
    used["retain"], listed_retained = nvml.settled_mib(), os.getpid() in nvml.processes()
    run.note(used_mib=used)
    return (f"MiB used: {', '.join(f'{step} {value}' for step, value in used.items())}; states {states}; "
            f"own pid listed after cuInit {listed}, GetState {listed_after}, retain {listed_retained}")


@cell("E6", "memory-torch", needs=("torch",), timeout=120)
def memory_of_torch(run):
    """Used MiB as PyTorch touches the device and as its references are released from outside."""
    nvml = witness()
    used = {"start": nvml.settled_mib()}
    import torch
    tensor = torch.ones(1024, device="cuda")
    used["tensor"] = nvml.settled_mib()
    square = tensor[:64].reshape(8, 8)
    square @ square
    torch.cuda.synchronize()
    used["matmul"] = nvml.settled_mib()
    device = run.device()
    released, _, state = run.release_until_inactive(device, 8)
    used[f"{released} releases"] = nvml.settled_mib()
    run.note(used_mib=used)
    return f"{state}; MiB used: " + ", ".join(f"{step} {value}" for step, value in used.items())
