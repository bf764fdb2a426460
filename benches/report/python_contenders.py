"""The release path in Python: python_contenders.py ctypes|cuda-bindings ROUNDS

With the libcuda.so.1 that the loader finds; prints one JSON object, as `peers measure` does.
"""

import ctypes
import json
import statistics
import sys
import time

SAMPLE_SECONDS = 0.002


class Ctypes:
    """The loop of vLLM pull request 42874, with the kept device's retain and release around."""

    def __init__(self):
        self.libcuda = ctypes.CDLL("libcuda.so.1")
        if self.libcuda.cuInit(0) != 0:
            sys.exit("the driver does not work")
        count = ctypes.c_int()
        self.libcuda.cuDeviceGetCount(ctypes.byref(count))
        self.count = count.value
        self.devices = [self.device(ordinal) for ordinal in range(self.count)]

    def device(self, ordinal):
        device = ctypes.c_int()
        if self.libcuda.cuDeviceGet(ctypes.byref(device), ordinal) != 0:
            sys.exit("the driver gives no handle for a device")
        return device

    def retain(self, ordinal):
        context = ctypes.c_void_p()
        device = self.devices[ordinal]
        if self.libcuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0:
            sys.exit("the device cannot be retained")

    def release(self, ordinal):
        self.libcuda.cuDevicePrimaryCtxRelease_v2(self.devices[ordinal])

    def release_path(self, kept):
        libcuda = self.libcuda
        self.retain(kept)
        for dev_id in range(self.count):
            if dev_id == kept:
                continue
            dev = ctypes.c_int()
            if libcuda.cuDeviceGet(ctypes.byref(dev), dev_id) != 0:
                continue
            flags = ctypes.c_uint()
            state = ctypes.c_int()
            if (
                libcuda.cuDevicePrimaryCtxGetState(dev, ctypes.byref(flags), ctypes.byref(state))
                == 0
            ):
                if state.value != 0:
                    libcuda.cuDevicePrimaryCtxRelease_v2(dev)
        self.release(kept)


class CudaBindings:
    """NVIDIA's package cuda-bindings."""

    def __init__(self):
        from cuda.bindings import driver

        self.driver = driver
        self.check(driver.cuInit(0))
        self.count = self.check(driver.cuDeviceGetCount())
        self.devices = [self.check(driver.cuDeviceGet(place)) for place in range(self.count)]

    def check(self, answer):
        code, *values = answer
        if code != self.driver.CUresult.CUDA_SUCCESS:
            sys.exit(f"the driver answers {code}")
        return values[0] if len(values) == 1 else values

    def retain(self, ordinal):
        self.check(self.driver.cuDevicePrimaryCtxRetain(self.devices[ordinal]))

    def release(self, ordinal):
        self.check(self.driver.cuDevicePrimaryCtxRelease(self.devices[ordinal]))

    def release_path(self, kept):
        driver, check = self.driver, self.check
        self.retain(kept)
        thread_is_known = False
        for ordinal, device in enumerate(self.devices):
            if ordinal == kept:
                continue
            _, active = check(driver.cuDevicePrimaryCtxGetState(device))
            if not active:
                continue
            if not thread_is_known:
                check(driver.cuCtxGetCurrent())
                thread_is_known = True
            check(driver.cuDevicePrimaryCtxRelease(device))
            check(driver.cuDevicePrimaryCtxGetState(device))
        self.release(kept)


def nanoseconds(work, before, times):
    """For one; the contexts come back outside of the timing."""
    spent = 0
    for _ in range(times):
        before()
        began = time.perf_counter_ns()
        work()
        spent += time.perf_counter_ns() - began
    return spent / times


def measure(contender, rounds):
    kept = min(1, contender.count - 1)
    others = [ordinal for ordinal in range(contender.count) if ordinal != kept]
    contender.retain(kept)
    states = {"no_stray": []}
    if len(others) > 1:
        states["one_stray"] = others[:1]
    if others:
        states["all_stray"] = others
    answer = {"devices": contender.count}
    for state, stray in states.items():

        def stray():
            for ordinal in stray:
                contender.retain(ordinal)

        def work():
            contender.release_path(kept)

        once = nanoseconds(work, stray, 3)
        times = max(1, round(SAMPLE_SECONDS * 1e9 / once))
        repeat = 3 if once > 10e6 else rounds
        samples = [nanoseconds(work, stray, times) for _ in range(repeat)]
        answer[state] = {
            "least_ns": round(min(samples), 1),
            "median_ns": round(statistics.median(samples), 1),
        }
    return answer


CONTENDERS = {"ctypes": Ctypes, "cuda-bindings": CudaBindings}
print(json.dumps(measure(CONTENDERS[sys.argv[1]](), int(sys.argv[2]))))
