"""E22, E24: are several contexts destroyed at once, and who waits for the destruction of one?"""

import functools
import threading
import time

from .cells import cell
from .loops import RELEASE, RETAIN, STATE, Timed

SECONDS = 3
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


def beside(run, loop, functions):
    """A loop on device 0, first alone, then while device 1's context is created and destroyed."""
    devices = run.devices()
    run.retain(devices[0])
    alone = Timed(run, loop, functions, devices[0])
    time.sleep(SECONDS)
    quiet = alone.end()
    timed, teardowns, ends = Timed(run, loop, functions, devices[0]), [], time.monotonic() + SECONDS
    while time.monotonic() < ends:
        run.retain(devices[1])
        teardowns.append(run.release(devices[1]).milliseconds)
    return (f"alone {quiet}; beside {len(teardowns)} teardowns of {min(teardowns):.1f} to "
            f"{max(teardowns):.1f} ms: {timed.end()}")


cell("E24", "retain-beside-teardown", timeout=60, environment=SIMULATED)(
    functools.partial(beside, loop="time_pairs", functions=(RETAIN, RELEASE)))
cell("E24", "state-beside-teardown", timeout=60, environment=SIMULATED)(
    functools.partial(beside, loop="time_states", functions=(STATE,)))
