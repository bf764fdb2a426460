"""A worker of device 1 (or of its rank): a context, and a thread that selects no device."""

import ctypes
import os
import threading

driver = ctypes.CDLL("libcuda.so.1")
context = ctypes.c_void_p()
rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", "1"))


def work():
    return [
        driver.cuInit(0),
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), rank),
        driver.cuCtxSetCurrent(context),
        driver.cuCtxSynchronize(),
    ]


thread_codes = []
codes = work()
thread = threading.Thread(target=lambda: thread_codes.append(driver.cuInit(0)))
thread.start()
thread.join()
print("worker", codes, thread_codes)
