"""E6: nanoseconds per call, where nothing is created."""

import ctypes
import time

from .c_loops import RELEASE, RETAIN, STATE, Loops
from .cells import cell


BATCHES = 5


@cell("E6", "nanoseconds", needs=("compiler",))
def nanoseconds(run):
    """Nanoseconds per round of a C loop, best of five batches; retain+release is one round."""
    loops, device, measured = Loops(run), run.device(), {}

    def measure(label, loop, *functions, rounds=100_000):
        batches = [loops.loop(loop, functions, device, rounds) for _ in range(BATCHES)]
        failed = sum(failures for _, failures in batches)
        best = round(min(took for took, _ in batches) / rounds, 1)
        measured[label] = f"{best} with {failed} failures" if failed else best

    measure("DriverGetVersion", "loop_int", "cuDriverGetVersion")
    measure("DeviceGetCount", "loop_int", "cuDeviceGetCount")
    measure("DeviceGet", "loop_ordinal", "cuDeviceGet")
    measure("GetState, inactive", "loop_state", STATE)
    run.retain(device)
    measure("GetState, active", "loop_state", STATE)
    measure("CtxGetCurrent", "loop_pointer", "cuCtxGetCurrent")
    measure("warm Retain+Release", "loop_retain_release", RETAIN, RELEASE)
    run.note(nanoseconds_per_round=measured)
    return "ns per round: " + ", ".join(f"{key} {value}" for key, value in measured.items())


@cell("E6", "nanoseconds-from-python")
def nanoseconds_from_python(run):
    """The same through ctypes, for machines with no compiler: mostly the cost of ctypes."""
    device = run.device()
    run.retain(device)
    flags, active, context = ctypes.c_uint(), ctypes.c_int(), ctypes.c_void_p()
    state, retain, release = (run.driver.raw(name) for name in (STATE, RETAIN, RELEASE))
    places = [ctypes.addressof(value) for value in (flags, active, context)]

    def per_round(action, rounds=20_000):
        best = 10**12
        for _ in range(BATCHES):
            start = time.perf_counter_ns()
            for _ in range(rounds):
                action()
            best = min(best, time.perf_counter_ns() - start)
        return round(best / rounds, 1)

    measured = {"GetState": per_round(lambda: state(device, places[0], places[1])),
                "warm Retain+Release": per_round(lambda: (retain(places[2], device), release(device)))}
    run.note(nanoseconds_per_round_through_ctypes=measured)
    return "ns per round through ctypes: " + ", ".join(f"{key} {value}" for key, value in measured.items())
