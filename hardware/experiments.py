#!/usr/bin/env python3
"""What the driver does where its documentation is silent: the experiments that README.md lists.

    experiments.py PROGRAMS SECONDS [NAME...]

PROGRAMS is the folder of the built programs. With names, only the rows that begin with one of them: E3, E7/torch.
Each process that an experiment works with may end in a crash; a row then says so.
"""

import json
import pathlib
import subprocess
import sys

import driver
from harness import HERE, Missing, Target, listed_memory, memory_in_use, ranks, run_rows, work_together


def objects(own_references, commands):
    """E3: what PyTorch meets when other code has released its references."""
    with Target("torch_objects", own_references) as target:
        seen = []
        for command in commands:
            result = target.do(command)
            seen.append(f"{command} {result.get('result', result.get('error'))}")
            if "error" in result:
                break
    yield "; ".join(seen)


USES = ["nothing", "live-tensor-to-host", "fresh-tensor", "matmul", "stream-synchronize", "new-stream", "empty-cache"]
OBJECTS = {f"stolen-then-{use}": (0, ["release all", use, use, "free"]) for use in USES}
# The count never gets to 0, and PyTorch continues.
OBJECTS["stolen-under-own-retain"] = (1, ["release", *USES])
# A new retain revives the context before PyTorch is used again.
OBJECTS["stolen-then-retained"] = (
    0, ["release all", "retain", "fresh-tensor", "live-tensor-to-host", "matmul", "stream-synchronize", "free"])


def devices():
    count = driver.device_count()
    if count < 2:
        raise Missing("it needs two devices: there is one")
    return count


def in_use(pid):
    try:
        return f"{memory_in_use()}, listed on {len(listed_memory(pid))}"
    except Missing:
        return "no nvidia-smi"


def released(kind, way):
    """E7: the contexts are released that a worker of device 1 created on every other device."""
    devices()
    with Target(kind) as worker:
        before, looks, right = worker.do("states"), [in_use(worker.pid)], [worker.works()]
        done = worker.do(way)
        if "error" in done:
            raise RuntimeError(done["error"])
        looks.append(in_use(worker.pid))
        after = worker.do("states")
        right += [worker.works() for _ in range(3)]
    yield (f"states {before.get('states')} -> {after.get('states')}; {done}; MiB used: {' -> '.join(looks)}; "
           f"device 1 right before and after: {right}")
    if not all(right):
        raise RuntimeError("device 1 does not work as before")


def program(programs, name):
    if not (programs / name).exists():
        raise Missing(f"there is no program {name} (hardware/make builds it)")
    return programs / name


def traced(programs, kind):
    """E7: the lines that `cuda-contexts trace` names as those that made the strays."""
    trace = program(programs, "cuda-contexts")
    devices()
    Target(kind).kill()
    command = [trace, "trace", "--only", "1", "--", sys.executable, HERE / "target.py", kind]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
    lines = [line.strip() for line in (process.stdout + process.stderr).splitlines() if "workers.py" in line]
    yield f"exit {process.returncode}; {'; '.join(dict.fromkeys(lines))}"


def ps(programs):
    """`cuda-contexts ps` finds the stray of a worker, and lists what nvidia-smi lists."""
    command = [program(programs, "cuda-contexts"), "ps"]
    devices()
    with Target("driver_stray", LOCAL_RANK="1", CUDA_DEVICE_ORDER="PCI_BUS_ID") as worker:
        lines = subprocess.run([*command, "--json"], capture_output=True, text=True).stdout.splitlines()
        contexts = [each for each in map(json.loads, lines) if each.get("rank_variable") == "LOCAL_RANK"]
        gate = subprocess.run([*command, "--fail-on-stray"], capture_output=True).returncode
        pid = contexts[0]["pid"] if contexts else worker.pid
        beside, verdicts = listed_memory(pid), [each["verdict"] for each in contexts]
    found = {each["uuid"]: str(each["bytes"] >> 20) for each in contexts}
    yield f"MiB by ps {found}, by nvidia-smi {beside}; {verdicts}, --fail-on-stray exits with {gate}"
    if found != beside or verdicts != ["probably_stray", "main"] or gate != 3:
        raise RuntimeError("ps and nvidia-smi differ, or the stray is not found")


def group(command):
    """E16: contexts are released between two sums of an NCCL group whose ranks have strays on each other's devices."""
    with ranks("nccl_stray", devices()) as targets:
        sums = [result.get("ok") for result in work_together(targets)]
        # Only one rank releases the context of its own device.
        releasing = targets[1:2] if command == "release own" else targets
        done = [target.do(command).get("released") for target in releasing if command]
        again = [result.get("ok") or result.get("error", False) for result in work_together(targets)]
    yield f"sums right {sums}; releases {done}; sums right again {again}"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    programs, seconds, names = pathlib.Path(sys.argv[1]).resolve(), float(sys.argv[2]), tuple(sys.argv[3:])
    rows = []
    for kind in ("driver", "torch"):
        for way in ("loop", "python"):
            rows.append((f"E7/{kind}-{way}", 15, lambda kind=kind, way=way: released(f"{kind}_stray", way)))
        rows.append((f"E7/traced-{kind}", 20, lambda kind=kind: traced(programs, f"{kind}_stray")))
    rows.append(("ps", 10, lambda: ps(programs)))
    for name, command in (("nothing", None), ("strays", "release others"), ("own", "release own")):
        rows.append((f"E16/nccl-{name}-released", 40, lambda command=command: group(command)))
    for name, row in OBJECTS.items():
        rows.append((f"E3/{name}", 15, lambda row=row: objects(*row)))
    return 1 if run_rows([row for row in rows if not names or row[0].startswith(names)], seconds) else 0


if __name__ == "__main__":
    sys.exit(main())
