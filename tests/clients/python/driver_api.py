#!/usr/bin/env python3
"""NVIDIA's cuda-bindings, unchanged, on the driver that LD_LIBRARY_PATH names.

The worker's life: touch another device, choose one, work there, let go. Prints one line.
"""

from importlib.metadata import version

from cuda.bindings import driver


def call(function, *arguments):
    """The outputs of a call that succeeds."""
    code, *outputs = function(*arguments)
    assert code == driver.CUresult.CUDA_SUCCESS, f"{function.__name__} returns {code!r}"
    return outputs[0] if len(outputs) == 1 else outputs


def refused(expected, function, *arguments):
    code, *_ = function(*arguments)
    assert code == expected, f"{function.__name__} returns {code!r}, not {expected!r}"


call(driver.cuInit, 0)
count = call(driver.cuDeviceGetCount)
assert count >= 2, f"{count} devices"
stray, kept = call(driver.cuDeviceGet, 0), call(driver.cuDeviceGet, 1)
name = call(driver.cuDeviceGetName, 64, kept).split(b"\0")[0].decode()
major = call(
    driver.cuDeviceGetAttribute,
    driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
    kept,
)
assert name and major > 0

call(driver.cuDevicePrimaryCtxRetain, stray)
context = call(driver.cuDevicePrimaryCtxRetain, kept)
call(driver.cuCtxSetCurrent, context)
assert int(call(driver.cuCtxGetDevice)) == int(kept)
assert call(driver.cuDevicePrimaryCtxGetState, stray) == [0, 1]

free, total = call(driver.cuMemGetInfo)
memory = call(driver.cuMemAlloc, 1 << 20)
assert call(driver.cuMemGetInfo)[0] == free - (1 << 20) and free <= total
call(driver.cuMemsetD8, memory, 7, 1 << 20)
host = bytearray(16)
call(driver.cuMemcpyDtoH, host, memory, len(host))
assert host == bytes([7]) * 16, host
call(driver.cuMemFree, memory)
stream = call(driver.cuStreamCreate, 0)
event = call(driver.cuEventCreate, 0)
call(driver.cuEventRecord, event, stream)
call(driver.cuStreamSynchronize, stream)
call(driver.cuEventDestroy, event)
call(driver.cuStreamDestroy, stream)

call(driver.cuDevicePrimaryCtxRelease, stray)
assert call(driver.cuDevicePrimaryCtxGetState, stray) == [0, 0]
refused(driver.CUresult.CUDA_ERROR_INVALID_CONTEXT, driver.cuDevicePrimaryCtxRelease, stray)
call(driver.cuDevicePrimaryCtxRelease, kept)
refused(driver.CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED, driver.cuCtxSynchronize)
assert call(driver.cuGetErrorName, driver.CUresult(201)) == b"CUDA_ERROR_INVALID_CONTEXT"

print(f"cuda-bindings {version('cuda-bindings')}: {count} devices, {name}")
