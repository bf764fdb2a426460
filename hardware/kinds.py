"""Kinds of processes that use the driver alone; target.py starts one.

Each is a function that returns what the command `check` does, or a table of commands.
"""

import ctypes
import os
import time

import driver

MIB = 1 << 20
# A trait that simulated_cuda_change_target of the simulator takes.
SIMULATED_MANAGED_MEMORY = 1


def initialised():
    driver.must("cuInit", 0)
    return lambda: driver.call("cuDeviceGetCount", ctypes.byref(ctypes.c_int())) == 0


def context(ordinal=0):
    driver.must("cuInit", 0)
    handle = driver.retain(ordinal)
    driver.must("cuCtxSetCurrent", handle)
    return handle


def contexts(count):
    context()
    for _ in range(int(count) - 1):
        handle = ctypes.c_void_p()
        driver.must("cuCtxCreate_v2", ctypes.byref(handle), 0, driver.device())
    return lambda: driver.call("cuCtxSynchronize") == 0


def released(current):
    context()
    if not current:
        driver.must("cuCtxSetCurrent", None)
    driver.must("cuDevicePrimaryCtxRelease_v2", driver.device())
    return initialised()


def allocate(size, function="cuMemAlloc_v2", *more):
    address = ctypes.c_uint64()
    driver.must(function, ctypes.byref(address), ctypes.c_size_t(size), *more)
    return address


def memory(gibibytes, ordinal=0):
    """A number of its own in the first and last bytes of every 64 MiB."""
    context(int(ordinal))
    size = int(gibibytes * 1024) * MIB
    address = allocate(size) if size else None
    places = [at for start in range(0, size, 64 * MIB) for at in (start, start + 64 * MIB - 4) if at < size]
    for place in places:
        value = ctypes.c_uint32(place ^ 0x5A5A5A5A)
        driver.must("cuMemcpyHtoD_v2", ctypes.c_uint64(address.value + place), ctypes.byref(value), ctypes.c_size_t(4))

    def check():
        for place in places:
            value = ctypes.c_uint32()
            driver.must("cuMemcpyDtoH_v2", ctypes.byref(value), ctypes.c_uint64(address.value + place), ctypes.c_size_t(4))
            if value.value != (place ^ 0x5A5A5A5A) & 0xFFFFFFFF:
                return False
        return True

    return check


def fill():
    """All but 200 MiB of the device."""
    context()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    driver.must("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    allocate(free.value - 200 * MIB)
    return lambda: True


def managed():
    context()
    if driver.is_simulated():
        driver.must("simulated_cuda_change_target", os.getpid(), SIMULATED_MANAGED_MEMORY, 1)
    else:
        allocate(64 * MIB, "cuMemAllocManaged", ctypes.c_uint(1))
    return lambda: driver.call("cuCtxSynchronize") == 0


def forked():
    context()
    if os.fork() == 0:
        while os.getppid() != 1:
            time.sleep(0.2)
        os._exit(0)
    return lambda: driver.call("cuCtxSynchronize") == 0


KINDS = {
    "nothing": lambda: lambda: True,
    "initialised": initialised,
    "released": lambda: released(False),
    "released_while_current": lambda: released(True),
    "contexts": contexts,
    "memory": memory,
    "fill": fill,
    "managed": managed,
    "forked": forked,
}
