"""A process of one kind that is to be suspended: `target.py KIND [NUMBER]`.

It prints one JSON line when it stands, and one for each line of its input: `check` does work and says
whether it came out right, anything else ends it.
"""

import ctypes
import json
import os
import sys
import time

sys.dont_write_bytecode = True
import driver  # noqa: E402

MIB = 1 << 20
# The traits that simulated_cuda_change_target of the simulator takes.
SIMULATED_BUSY, SIMULATED_MANAGED_MEMORY = 0, 1


def context(ordinal=0):
    driver.must("cuInit", 0)
    handle = ctypes.c_void_p()
    driver.must("cuDevicePrimaryCtxRetain", ctypes.byref(handle), driver.device(ordinal))
    driver.must("cuCtxSetCurrent", handle)
    return handle


def contexts(count):
    context()
    for _ in range(count - 1):
        handle = ctypes.c_void_p()
        driver.must("cuCtxCreate_v2", ctypes.byref(handle), 0, driver.device())
    return lambda: driver.call("cuCtxSynchronize") == 0


def released(current):
    context()
    if not current:
        driver.must("cuCtxSetCurrent", None)
    driver.must("cuDevicePrimaryCtxRelease_v2", driver.device())
    return lambda: driver.call("cuDeviceGetCount", ctypes.byref(ctypes.c_int())) == 0


def allocate(size, function="cuMemAlloc_v2", *more):
    address = ctypes.c_uint64()
    driver.must(function, ctypes.byref(address), ctypes.c_size_t(size), *more)
    return address


def memory(gibibytes, ordinal=0):
    """A number of its own in the first and last bytes of every 64 MiB."""
    context(ordinal)
    size = int(gibibytes * 1024) * MIB
    address = allocate(size)
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


SPIN = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 limit)
{
    .reg .u64 %t<4>;
    .reg .pred %p;
    ld.param.u64 %t1, [limit];
    mov.u64 %t2, %globaltimer;
again:
    mov.u64 %t3, %globaltimer;
    sub.u64 %t3, %t3, %t2;
    setp.lt.u64 %p, %t3, %t1;
    @%p bra again;
    ret;
}
"""


def busy(seconds):
    context()
    if driver.is_simulated():
        driver.must("simulated_cuda_change_target", os.getpid(), SIMULATED_BUSY, 1)
        return lambda: driver.call("simulated_cuda_change_target", os.getpid(), SIMULATED_BUSY, 0) == 0
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    driver.must("cuModuleLoadData", ctypes.byref(module), SPIN)
    driver.must("cuModuleGetFunction", ctypes.byref(function), module, b"spin")
    limit = ctypes.c_uint64(int(seconds * 1e9))
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(limit))
    driver.must("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, parameters, None)
    return lambda: driver.call("cuCtxSynchronize") == 0


def forked():
    context()
    if os.fork() == 0:
        while os.getppid() != 1:
            time.sleep(0.2)
        os._exit(0)
    return lambda: driver.call("cuCtxSynchronize") == 0


def torch_work(loader):
    import torch

    torch.manual_seed(7)
    torch.backends.cuda.matmul.allow_tf32 = False
    weights = torch.randn(1024, 1024, device="cuda")
    batches = None
    if loader:
        data = torch.utils.data.TensorDataset(torch.randn(4096, 1024))
        batches = torch.utils.data.DataLoader(data, batch_size=64, num_workers=2, pin_memory=True)
        batches = iter(batches)
    first = torch.randn(64, 1024, device="cuda")

    def product():
        value = first
        for _ in range(8):
            value = torch.tanh(value @ weights)
        return value.double().sum().item()

    expected = product()

    def check():
        again = product()
        if batches is not None:
            next(batches)[0].cuda(non_blocking=True).sum().item()
        return {"ok": again == expected, "before": expected, "after": again}

    return check


def nothing():
    return lambda: True


def initialised():
    driver.must("cuInit", 0)
    return lambda: driver.call("cuDeviceGetCount", ctypes.byref(ctypes.c_int())) == 0


KINDS = {
    "nothing": lambda _: nothing(),
    "initialised": lambda _: initialised(),
    "released": lambda _: released(False),
    "released_while_current": lambda _: released(True),
    "contexts": lambda number: contexts(int(number)),
    "memory": memory,
    "fill": lambda _: fill(),
    "managed": lambda _: managed(),
    "busy": busy,
    "forked": lambda _: forked(),
    "torch": lambda _: torch_work(False),
    "torch_loader": lambda _: torch_work(True),
}


def serve(kinds):
    """Stands as the kind that the command line names, and results."""
    try:
        check = kinds[sys.argv[1]](float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    except (ImportError, NotImplementedError) as missing:
        print(json.dumps({"missing": str(missing)}), flush=True)
        return
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        if line.strip() != "check":
            break
        try:
            result = check()
        except Exception as error:
            result = {"ok": False, "error": repr(error)}
        print(json.dumps(result if isinstance(result, dict) else {"ok": bool(result)}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    serve(KINDS)
