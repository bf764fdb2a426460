"""A thread that a host function of a stream creates, alone and with the library of `cuda-contexts run` preloaded.

    host_function.py

CUDA calls are forbidden in such a function, and the library makes some on the thread that creates another one. Prints the
device that the new thread begins with.
"""

import ctypes
import os
import threading

driver = ctypes.CDLL("libcuda.so.1")
device = int(os.environ.get("ORDINAL", "0"))
context, stream = ctypes.c_void_p(), ctypes.c_void_p()
began = []


def look():
    current = ctypes.c_void_p()
    began.append((driver.cuCtxGetCurrent(ctypes.byref(current)), bool(current.value)))


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def host_function(_):
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()


def main():
    codes = [driver.cuInit(0), driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)]
    codes += [driver.cuCtxSetCurrent(context), driver.cuStreamCreate(ctypes.byref(stream), 0)]
    for _ in range(200):
        codes.append(driver.cuLaunchHostFunc(stream, host_function, None))
    codes.append(driver.cuStreamSynchronize(stream))
    print(set(codes), set(began), len(began))


if __name__ == "__main__":
    main()
