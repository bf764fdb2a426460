"""A group of processes, suspended and resumed one by one and at once: python3 -m checkpoint.group [GIBIBYTES]

There is a process on each device. Each group is empty (a context each) and then has so much memory on each device (4 GiB if
not given). Needs the Python package. Prints medians of five turns, beside those of the slowest member alone.
"""

import statistics
import sys
import time

import driver
from harness import Target

TURNS = 5


def cycle(pids, at_once):
    """Seconds to suspend and to resume, and those of each member's longest step."""
    from cuda_primary_context import checkpoint

    began = time.monotonic()
    group = checkpoint.suspend(pids, timeout=20, at_once=at_once)
    suspended = time.monotonic()
    reports = [*group.reports, *group.resume(room="trusted")]
    resumed = time.monotonic()
    steps = [step for report in reports for step in report.steps]
    longest = [max(step.milliseconds for step in steps if step.step == name) for name in ("checkpoint", "restore")]
    return suspended - began, resumed - suspended, *(each / 1000 for each in longest)


def group(gibibytes):
    targets, turns = [], {}
    driver.must("cuInit", 0)
    try:
        for ordinal in range(driver.device_count()):
            targets.append(Target("memory", gibibytes, ordinal))
        pids = [target.pid for target in targets]
        cycle(pids, None)  # the first one takes longer
        for _ in range(TURNS):
            turns.setdefault("alone", []).append([max(times) for times in zip(*(cycle([pid], 1) for pid in pids))])
            turns.setdefault("one by one", []).append(cycle(pids, 1))
            turns.setdefault("at once", []).append(cycle(pids, None))
        medians = {name: [statistics.median(times) for times in zip(*rows)] for name, rows in turns.items()}
        for name, (suspend, resume, checkpoint, restore) in medians.items():
            of_alone = [suspend / medians["alone"][0], resume / medians["alone"][1]]
            print(
                f"{len(pids)} processes, {gibibytes} GiB each, {name}: suspend {suspend:.2f} s, resume {resume:.2f} s, "
                f"{of_alone[0]:.2f} and {of_alone[1]:.2f} times the slowest alone; "
                f"the longest checkpoint {checkpoint:.2f} s, restore {restore:.2f} s",
                flush=True,
            )
        print(f"memory intact: {[target.works() for target in targets]}", flush=True)
    finally:
        for target in targets:
            target.kill()


if __name__ == "__main__":
    group(0)
    group(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
