"""The same task by the driver's functions alone, as vLLM pull request 42874 does it: the answer of the
release is not looked at, and a device counts as released because the release was called."""

from __future__ import annotations

import ctypes
from typing import List


def release_by_ctypes(kept: int) -> List[str]:
    """What it would have written to the log."""
    said: List[str] = []
    driver = ctypes.CDLL("libcuda.so.1")
    if driver.cuInit(0) != 0:
        return said
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    for ordinal in range(count.value):
        if ordinal == kept:
            continue
        device, flags, active = ctypes.c_int(), ctypes.c_uint(), ctypes.c_int()
        if driver.cuDeviceGet(ctypes.byref(device), ordinal) != 0:
            continue
        state = driver.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
        if state == 0 and active.value:
            driver.cuDevicePrimaryCtxRelease(device)
            said.append(f"Released stale CUDA primary context for device {ordinal}")
    return said
