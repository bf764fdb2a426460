"""E22, E24: are several contexts destroyed at once, and who waits for the destruction of one?"""

import ctypes
import functools
import threading
import time

from .cells import cell

SECONDS = 3
RETAIN, RELEASE = "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"
STATE = "cuDevicePrimaryCtxGetState"
# What one takes on the simulator; a real driver does not read it.
SIMULATED = {"SIMULATED_CUDA_KNOBS": "retain_microseconds=2000,release_microseconds=20000"}


def one_by_one(run, devices):
    for device in devices:
        run.release(device)


def on_threads(run, devices):
    release = getattr(run.driver.library, RELEASE)
    threads = [threading.Thread(target=release, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@cell("E22", "several-teardowns", timeout=120, environment=SIMULATED)
def together(run):
    """The last releases of all devices, one by one and on as many threads."""
    devices = run.devices()
    took = {one_by_one: [], on_threads: []}
    for _ in range(3):
        for way, times in took.items():
            for device in devices:
                run.retain(device)
            began = time.perf_counter()
            way(run, devices)
            times.append(f"{(time.perf_counter() - began) * 1e3:.1f}")
    return (f"{len(devices)} last releases, ms: one by one {took[one_by_one]}, on threads {took[on_threads]}; "
            f"{run.states(devices)}")


class Timed(threading.Thread):
    """A loop of calls on a thread of its own, each round timed. A call does not hold Python's lock."""

    def __init__(self, round_of_calls):
        super().__init__()
        self.round, self.stop, self.rounds, self.longest = round_of_calls, False, 0, 0
        self.start()

    def run(self):
        while not self.stop:
            began = time.perf_counter_ns()
            assert self.round() == 0
            self.longest = max(self.longest, time.perf_counter_ns() - began)
            self.rounds += 1

    def end(self):
        self.stop = True
        self.join()
        return f"{self.rounds} rounds, the longest {self.longest / 1e6:.2f} ms"


def beside(run, loop):
    """A loop on device 0, first alone, then while device 1's context is created and destroyed."""
    devices, library = run.devices(), run.driver.library
    run.retain(devices[0])
    context, flags, active = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_int()
    retain, release, state = (getattr(library, name) for name in (RETAIN, RELEASE, STATE))
    rounds = {
        "retain": lambda: retain(ctypes.byref(context), devices[0]) or release(devices[0]),
        "state": lambda: state(devices[0], ctypes.byref(flags), ctypes.byref(active)),
    }
    alone = Timed(rounds[loop])
    time.sleep(SECONDS)
    quiet = alone.end()
    timed, teardowns, ends = Timed(rounds[loop]), [], time.monotonic() + SECONDS
    while time.monotonic() < ends:
        run.retain(devices[1])
        teardowns.append(run.release(devices[1]).milliseconds)
    return (f"alone {quiet}; beside {len(teardowns)} teardowns of {min(teardowns):.1f} to "
            f"{max(teardowns):.1f} ms: {timed.end()}")


for loop in ("retain", "state"):
    cell("E24", f"{loop}-beside-teardown", timeout=60, environment=SIMULATED)(functools.partial(beside, loop=loop))
