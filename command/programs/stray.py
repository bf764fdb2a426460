"""A worker that uses device 1, and a thread in which no device was selected.

It calls the driver by ctypes, so that it runs on the simulated driver as well.
"""

import ctypes
import threading

cuda = ctypes.CDLL("libcuda.so.1")


def check(code):
    if code != 0:
        raise RuntimeError(f"the driver returned {code}")


def use(ordinal):
    device, context = ctypes.c_int(), ctypes.c_void_p()
    check(cuda.cuDeviceGet(ctypes.byref(device), ordinal))
    check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    check(cuda.cuCtxSetCurrent(context))


def prefetch():
    """Uses the current device as the CUDA runtime does: device 0 if none was selected in this thread."""
    context = ctypes.c_void_p()
    check(cuda.cuCtxGetCurrent(ctypes.byref(context)))
    if not context:
        use(0)


def main():
    check(cuda.cuInit(0))
    use(1)
    helper = threading.Thread(target=prefetch, name="prefetch")
    helper.start()
    helper.join()


main()
