"""What the driver does when processes are suspended and resumed through the crate.

    python3 -m checkpoint EXAMPLE SECONDS

EXAMPLE is the built example `checkpoint`. It needs a driver of CUDA 12.8 or newer, for some rows PyTorch, and
for those of workers with strays (several.py) two GPUs. Prints a line or more for each row.
"""

import ctypes
import functools
import os
import sys

import driver
from harness import Target, run_rows

from . import several
from .example import Example, codes, cycle_line

CYCLES = {
    "nothing": ["nothing"],
    "cuInit only": ["initialised"],
    "context released": ["released"],
    "context released while current": ["released_while_current"],
    "one context": ["contexts", 1],
    "two contexts": ["contexts", 2],
    "context + 1 GiB": ["memory", 1],
    "a forked child holds its files": ["forked"],
    "managed memory": ["managed"],
    "PyTorch with cuBLAS": ["torch_alone"],
}


def cycle(example, *kind):
    with Target(*kind) as target:
        yield cycle_line(example, target)


def all_gpus():
    """The ids of all GPUs that the kernel driver shows, or else of those that this process sees."""
    found = []
    root = "/proc/driver/nvidia/gpus"
    for folder in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        with open(os.path.join(root, folder, "information")) as text:
            found += [line.split(":", 1)[1].strip() for line in text if line.startswith("GPU UUID")]
    return found or [driver.uuid(ordinal) for ordinal in range(driver.device_count())]


def no_room(example, gpu):
    with Target("memory", 2) as target:
        suspended = example.suspend(target.pid)
        needs = suspended["report"].get("memory") or [{"device": gpu, "bytes": 3 << 30}]
        arguments = [word for each in needs for word in ("--needs", f"{each['device']}={each['bytes']}")]
        with Target("fill"):
            looked = example.run("--resume", "--pid", target.pid, *arguments)
            state = driver.state(target.pid)["state"]
            trusted = example.resume(target.pid)
            after = driver.state(target.pid)["state"]
        again = example.resume(target.pid)
        unlock = driver.step("Unlock", target.pid)
        error = looked["report"].get("error") or {}
        yield (f"looked at by NVML: {error.get('kind')} with no call, {state}; trusted: {codes(trusted)}, {after}; "
               f"with room again {codes(again)}, unlock {unlock}")


def group(example):
    with Target("contexts", 1) as first, Target("memory", 1) as second, Target("managed") as third:
        two = example.cycle(first.pid, second.pid)
        three = example.cycle(first.pid, second.pid, third.pid)
        works = [target.works() for target in (first, second, third)]
        yield f"two together {codes(two)}; with one that cannot {codes(three)}; work {works}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    driver.must("cuInit", 0)
    if driver.call("cuCheckpointProcessGetState", os.getpid(), ctypes.byref(ctypes.c_uint())) is None:
        print("skipped: checkpoint: the driver has no cuCheckpointProcessGetState (CUDA 12.8)")
        return 0
    example = Example(sys.argv[1])
    gpus = all_gpus()
    rows = []
    if driver.device_count() < 2:
        print("skipped: workers with strays: they need two devices: there is one")
    else:
        rows += several.rows(example, gpus)
    rows += [(name, 5, functools.partial(cycle, example, *kind)) for name, kind in CYCLES.items()]
    rows += [
        ("group", 10, lambda: group(example)),
        ("no room", 15, lambda: no_room(example, gpus[0])),
        ("context + 20 GiB", 30, lambda: cycle(example, "memory", 20)),
    ]
    return 1 if run_rows(rows, float(sys.argv[2])) else 0


if __name__ == "__main__":
    sys.exit(main())
