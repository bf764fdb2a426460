"""Loops in C over driver functions (helpers.c), with the driver's addresses filled in."""

import ctypes
import threading

RETAIN, RELEASE = "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"
STATE = "cuDevicePrimaryCtxGetState"
ROUNDS, BATCHES = 100_000, 5


class Loops:
    def __init__(self, run):
        self.run, self.library = run, ctypes.CDLL(run.program("helpers.so"))

    def best(self, name, functions, device):
        """Nanoseconds for a round of the best batch; failures in words."""
        function, failed = getattr(self.library, name), ctypes.c_uint64()
        function.restype = ctypes.c_uint64
        addresses = [self.run.driver.address(symbol) for symbol in functions]
        took = min(function(*addresses, device, ctypes.c_uint64(ROUNDS), ctypes.byref(failed))
                   for _ in range(BATCHES))
        return f"{took / ROUNDS:.1f} ns{f' with {failed.value} failures' if failed.value else ''}"

    def state(self, device):
        return self.best("loop_state", [STATE], device)

    def pair(self, device):
        return self.best("loop_pair", [RETAIN, RELEASE], device)


class Timed:
    """A loop in C on a thread of its own, each round timed."""

    def __init__(self, run, name, functions, device):
        function = getattr(ctypes.CDLL(run.program("helpers.so")), name)
        self.stop, self.counts = ctypes.c_int(0), (ctypes.c_uint64 * 4)()
        arguments = (*map(run.driver.address, functions), device, ctypes.byref(self.stop), self.counts)
        self.thread = threading.Thread(target=function, args=arguments)
        self.thread.start()

    def end(self):
        self.stop.value = 1
        self.thread.join()
        rounds, failed, longest, long = self.counts
        return f"{rounds} rounds, {failed} failed, the longest {longest / 1e3:.1f} µs, {long} over 1 ms"
