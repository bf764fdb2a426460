"""E24: does a retain on one device wait while another is torn down?"""

import ctypes
import functools
import os
import threading
import time

from .c_loops import RELEASE, RETAIN, STATE
from .cells import cell

SECONDS = 3
SIMULATED = {"SIMULATED_CUDA_KNOBS": "retain_microseconds=2000,release_microseconds=20000"}


class Timed:
    """A C loop on a thread of its own, until it is told to stop."""

    def __init__(self, run, name, functions, device):
        library = ctypes.CDLL(os.path.join(run.helpers, "teardown.so"))
        self.stop, self.counts = ctypes.c_int(0), (ctypes.c_uint64 * 4)()
        addresses = [ctypes.c_void_p(run.driver.address(symbol)) for symbol in functions]
        arguments = (*addresses, ctypes.c_int(device), ctypes.byref(self.stop), self.counts)
        self.thread = threading.Thread(target=functools.partial(getattr(library, name), *arguments))
        self.thread.start()

    def end(self):
        self.stop.value = 1
        self.thread.join()
        rounds, failed, longest, long = self.counts
        return {"rounds": rounds, "failed": failed, "longest_us": round(longest / 1e3, 1), "over_1_ms": long}


def beside(run, loop, functions):
    """A loop on device 0, first alone, then while device 1 comes and goes."""
    devices = run.devices()
    run.retain(devices[0])
    alone = Timed(run, loop, functions, devices[0])
    time.sleep(SECONDS)
    quiet = alone.end()
    timed = Timed(run, loop, functions, devices[0])
    teardowns, ends = [], time.monotonic() + SECONDS
    while time.monotonic() < ends:
        run.retain(devices[1])
        teardowns.append(round(run.release(devices[1]).nanoseconds / 1e6, 2))
    busy = timed.end()
    run.note(alone=quiet, beside=busy, teardown_milliseconds=teardowns)
    return (f"alone {quiet}; beside {len(teardowns)} teardowns of {min(teardowns)} to {max(teardowns)} ms: {busy}; "
            f"{run.states(devices[:2])}")


cell("E24", "retain-beside-teardown", needs=("compiler",), timeout=60, environment=SIMULATED)(
    functools.partial(beside, loop="time_retains", functions=(RETAIN, RELEASE)))
cell("E24", "state-beside-teardown", needs=("compiler",), timeout=60, environment=SIMULATED)(
    functools.partial(beside, loop="time_questions", functions=(STATE,)))
