"""A group of processes, suspended and resumed one by one and at once: group.py [GIBIBYTES...]

There is a process on each device. Each group is empty (a context each) and then has so much memory on each device (4 GiB if
not given). Needs the Python package. Prints the seconds of three turns, and those of the slowest member alone.
"""

import statistics
import sys
import time

sys.dont_write_bytecode = True
import driver  # noqa: E402
from harness import Target  # noqa: E402
from target import context, memory, serve  # noqa: E402

TURNS = 3


def on_device(ordinal):
    """A process with memory on it, as one of target.py's kinds."""

    def start(gibibytes):
        if gibibytes:
            return memory(gibibytes, ordinal)
        context(ordinal)
        return lambda: True

    return start


def cycle(pids, at_once):
    """Seconds to suspend and to resume."""
    from cuda_primary_context import checkpoint

    began = time.monotonic()
    group = checkpoint.suspend(pids, timeout=20, at_once=at_once)
    suspended = time.monotonic()
    group.resume(room="trusted")
    return suspended - began, time.monotonic() - suspended


def turns(pids, at_once=None):
    """The medians, in seconds."""
    return [statistics.median(times) for times in zip(*(cycle(pids, at_once) for _ in range(TURNS)))]


def group(gibibytes):
    targets = []
    driver.must("cuInit", 0)
    try:
        for ordinal in range(driver.device_count()):
            targets.append(Target(str(ordinal), gibibytes, program="group.py"))
        pids = [target.pid for target in targets]
        cycle(pids, None)  # the first one takes longer
        slowest = [max(times) for times in zip(*(turns([pid]) for pid in pids))]
        for name, at_once in ("one by one", 1), ("at once", None):
            suspend, resume = turns(pids, at_once)
            print(
                f"{len(pids)} processes with {gibibytes} GiB each, {name}: suspend {suspend:.2f} s, resume {resume:.2f} s; "
                f"{suspend / slowest[0]:.2f} and {resume / slowest[1]:.2f} times the slowest alone "
                f"({slowest[0]:.2f} and {slowest[1]:.2f} s)",
                flush=True,
            )
        print(f"memory intact: {[target.check().get('ok') for target in targets]}", flush=True)
    finally:
        for target in targets:
            target.kill()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve({sys.argv[1]: on_device(int(sys.argv[1]))})
    else:
        group(0)
        group(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
