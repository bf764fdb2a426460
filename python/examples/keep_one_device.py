"""A worker of device 1, in which a library left a context on device 0, and which releases that stray.

Without two GPUs:
SIMULATED_CUDA_DEVICES=2 cuda-contexts trace --driver simulated -- python python/examples/keep_one_device.py
"""

import ctypes

import cuda_primary_context as cpc

# The library.
cuda = ctypes.CDLL("libcuda.so.1")
assert cuda.cuInit(0) == 0
device, context = ctypes.c_int(), ctypes.c_void_p()
assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0

# The worker, at its start.
with cpc.retain_only(1) as guard:
    print(guard.report)
    # The worker works here, on the device that the guard keeps.
