"""E23: what the number of devices costs: cuInit, the first retain, looking at all of them, and the crate."""

import functools
import time

from .c_loops import RELEASE, RETAIN, STATE, Loops
from .cells import Skip, cell

NUMBERS = (1, 2, 4, 8)


def visible(number):
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(number)))}


def exactly(run, number):
    devices = run.devices(number)
    if len(devices) != number:
        raise Skip(f"it needs {number} visible devices: there are {len(devices)}")
    return devices


def start(run, number):
    """Milliseconds of cuInit and of each device's first retain and last release."""
    began = time.perf_counter()
    init = run.driver.cuInit(0)
    took = (time.perf_counter() - began) * 1e3
    devices = exactly(run, number)
    retained = [run.driver.cuDevicePrimaryCtxRetain(device) for device in devices]
    freed = [run.release(device) for device in devices]
    milliseconds = {name: [round(result.nanoseconds / 1e6, 1) for result in results]
                    for name, results in (("retain", retained), ("release", freed))}
    run.note(init=str(init), init_milliseconds=took, milliseconds=milliseconds)
    codes = sorted({str(result) for result in [init, *retained, *freed]})
    return f"{number} devices: cuInit {took:.1f} ms, {milliseconds}; answers {codes}"


def look(run, number):
    """Nanoseconds of GetState on each device, inactive but the last, and of a warm retain and release."""
    devices, loops = exactly(run, number), Loops(run)
    run.retain(devices[-1])
    measured = []
    for device in devices:
        batches = [loops.loop("loop_state", (STATE,), device, 100_000)[0] for _ in range(5)]
        measured.append(round(min(batches) / 100_000, 1))
    pair = min(loops.loop("loop_retain_release", (RETAIN, RELEASE), devices[-1], 100_000)[0] for _ in range(5))
    run.note(state_nanoseconds=measured, retain_release_nanoseconds=pair / 100_000)
    return f"{number} devices: GetState ns {measured}, sum {sum(measured):.0f}; retain and release {pair / 100_000:.1f} ns"


def crate(run, number):
    """The same by the crate."""
    program = run.program("several_gpus")
    exactly(run, number)
    how, lines = run.start([program, "costs"], 50)
    return f"{how}; {'; '.join(lines)}"


for several in NUMBERS:
    environment = visible(several)
    for attempt in (1, 2, 3):
        cell("E23", f"start-{several}-{attempt}", timeout=60, environment=environment)(
            functools.partial(start, number=several))
    cell("E23", f"look-{several}", needs=("compiler",), timeout=60, environment=environment)(
        functools.partial(look, number=several))
    cell("E23", f"crate-{several}", timeout=60, environment=environment)(
        functools.partial(crate, number=several))
