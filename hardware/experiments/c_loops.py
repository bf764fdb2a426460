"""The compiled loops over driver functions, with the driver's addresses filled in."""

import ctypes
import os

RETAIN, RELEASE = "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"
STATE = "cuDevicePrimaryCtxGetState"


class Loops:
    def __init__(self, run):
        self.run, self.library = run, ctypes.CDLL(os.path.join(run.helpers, "loops.so"))

    def loop(self, name, functions, device, rounds):
        """(nanoseconds in all, failed calls) of one C loop."""
        failed, function = ctypes.c_uint64(), getattr(self.library, name)
        function.restype = ctypes.c_uint64
        addresses = [ctypes.c_void_p(self.run.driver.address(symbol)) for symbol in functions]
        took = function(*addresses, ctypes.c_int(device), ctypes.c_uint64(rounds), ctypes.byref(failed))
        return took, failed.value

    def retain_release(self, device, rounds):
        return self.loop("loop_retain_release", (RETAIN, RELEASE), device, rounds)

    def retain(self, device, rounds):
        return self.loop("loop_retain", (RETAIN,), device, rounds)

    def race_to_inactive(self, device):
        """[released, refused with 201, other failures, last other code]."""
        counts = (ctypes.c_uint64 * 4)()
        self.library.race_to_inactive(*(ctypes.c_void_p(self.run.driver.address(symbol))
                                        for symbol in (STATE, RELEASE)), device, counts)
        return list(counts)
