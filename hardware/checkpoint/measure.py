#!/usr/bin/env python3
"""What the driver does when processes are suspended and resumed through the crate.

    checkpoint/measure.py EXAMPLE SECONDS

EXAMPLE is the built example `checkpoint`. It needs a driver of CUDA 12.8 or newer, for some rows PyTorch, and
for those of workers with strays (several.py) two GPUs. Prints a line a row.
"""

import ctypes
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import driver  # noqa: E402
import namespaces  # noqa: E402
import several  # noqa: E402
from harness import Session, Target, codes, describe, processes  # noqa: E402

CYCLES = [
    # name, kind, number
    ("nothing", "nothing", None),
    ("cuInit only", "initialised", None),
    ("context released", "released", None),
    ("context released while current", "released_while_current", None),
    ("one context", "contexts", 1),
    ("two contexts", "contexts", 2),
    ("context + 1 GiB", "memory", 1),
    ("a forked child holds its files", "forked", None),
    ("managed memory", "managed", None),
    ("PyTorch with cuBLAS", "torch", None),
    ("PyTorch, pinned, DataLoader", "torch_loader", None),
]


def cycle_row(session, name, kind, number):
    with Target(kind, number) as target:
        run = session.cycle(target.pid)
        check = target.check()
        state = processes(run["report"])[0].get("state")
        session.show(
            f"{name:32} codes {codes(run['report'])}, exit {run['status']}, then {state}, "
            f"works {check.get('ok')}; {describe(run['report'])}"
        )


def raw_orders(session):
    """Steps out of order: the types have none, so they are made by hand, from each state."""
    with Target("contexts", 1) as target:
        lines = []
        reach = [("running", []), ("locked", ["Lock"]), ("checkpointed", ["Checkpoint"])]
        fits = {"running": ["Lock"], "locked": ["Checkpoint", "Unlock"], "checkpointed": ["Restore"]}
        for state, steps in reach:
            for step in steps:
                driver.step(step, target.pid)
            for step in ("Lock", "Checkpoint", "Restore", "Unlock"):
                if step not in fits[state]:
                    code = driver.step(step, target.pid)
                    after = driver.state(target.pid)
                    lines.append((code, after["state"] == state))
        again = session.run("--suspend", "--pid", target.pid)
        resumed = session.run("--resume", "--pid", target.pid, "--force")
        check = target.check()
        session.show(
            f"{'out of order, raw':32} {sorted(set(lines))} of {len(lines)}; suspended twice "
            f"{codes(again['report'])}; resumed by a second controller {codes(resumed['report'])}, works {check.get('ok')}"
        )


def nobody(session):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = session.run("--state", "--pid", process.pid)
    raw = [driver.step(step, process.pid) for step in ("Lock", "Checkpoint", "Restore", "Unlock")]
    session.show(f"{'no such process':32} exit {run['status']}, {run['report'].get('error', {}).get('kind')}; raw {raw}")


def busy(session):
    with Target("busy", 6) as target:
        short = session.run("--suspend", "--pid", target.pid, "--limit", "0.001")
        longer = session.run("--suspend", "--pid", target.pid, "--limit", "2")
        state = driver.state(target.pid)
        check = target.check()
        run = session.cycle(target.pid)
        session.show(
            f"{'busy for 6 s':32} 1 ms {codes(short['report'])}, 2 s {codes(longer['report'])} after "
            f"{longer['seconds']:.2f} s, state {state['state']}; works {check.get('ok')}, then {codes(run['report'])}"
        )


def all_gpus():
    """The ids of all GPUs that the kernel driver shows, or else of those that this process sees."""
    found = []
    root = "/proc/driver/nvidia/gpus"
    for folder in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        with open(os.path.join(root, folder, "information")) as text:
            found += [line.split(":", 1)[1].strip() for line in text if line.startswith("GPU UUID")]
    return found or [driver.uuid(ordinal) for ordinal in range(driver.device_count())]


def maps(session, ids):
    other = "GPU-01234567-89ab-cdef-0123-456789abcdef"
    same = [argument for gpu in ids for argument in ("--map", f"{gpu}={gpu}")]
    wrong = [argument for gpu in ids for argument in ("--map", f"{gpu}={other if gpu == ids[0] else gpu}")]
    with Target("contexts", 1) as target:
        pid = target.pid
        session.run("--suspend", "--pid", pid)
        results = []
        for name, arguments in (("to another GPU", wrong), ("of another GPU", ["--map", f"{other}={other}"]), ("the same", same)):
            run = session.run("--resume", "--pid", pid, "--force", *arguments)
            report = run["report"]
            kind = (report.get("error") or {}).get("kind")
            results.append((name, codes(report), kind, driver.state(pid)["state"]))
        session.show(f"{'maps':32} {results}, works {target.check().get('ok')}")


def no_room(session, gpu):
    with Target("memory", 2) as target:
        suspended = session.run("--suspend", "--pid", target.pid)
        needs = suspended["report"].get("memory") or []
        arguments = [argument for m in needs for argument in ("--needs", f"{m['device']}={m['bytes']}")]
        if not arguments:
            arguments = ["--needs", f"{gpu}={3 << 30}"]
        with Target("fill") as hog:
            looked = session.run("--resume", "--pid", target.pid, *arguments)
            state = driver.state(target.pid)
            trusted = session.run("--resume", "--pid", target.pid, "--force")
            after = driver.state(target.pid)
            hog.kill()
        again = session.run("--resume", "--pid", target.pid, "--force")
        unlock = driver.step("Unlock", target.pid)
        error = looked["report"].get("error") or {}
        session.show(
            f"{'no room':32} looked at by NVML: {error.get('kind')} with no call, {state['state']}; trusted: "
            f"{codes(trusted['report'])}, {after['state']}; with room again {codes(again['report'])}, unlock {unlock}"
        )


def group(session):
    with Target("contexts", 1) as first, Target("memory", 1) as second, Target("managed") as third:
        two = session.cycle(first.pid, second.pid)
        three = session.cycle(first.pid, second.pid, third.pid)
        works = [target.check().get("ok") for target in (first, second, third)]
        session.show(f"{'two processes together':32} {codes(two['report'])}; with one that cannot {codes(three['report'])}; work {works}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    driver.must("cuInit", 0)
    if driver.call("cuCheckpointProcessGetState", os.getpid(), ctypes.byref(ctypes.c_uint())) is None:
        print("skipped: checkpoint: the driver has no cuCheckpointProcessGetState (CUDA 12.8)")
        return 0
    session = Session(sys.argv[1], float(sys.argv[2]))
    ids = all_gpus()
    rows = [(name, lambda s, r=(name, kind, number): cycle_row(s, *r), 5) for name, kind, number in CYCLES]
    rows += [
        ("out of order", raw_orders, 5),
        ("no such process", nobody, 2),
        ("worker in a PID namespace", namespaces.pid_namespace, 10),
        ("id of a thread", namespaces.thread, 10),
        ("process of another user", namespaces.other_user, 10),
        ("busy", busy, 15),
        ("maps", lambda s: maps(s, ids), 5),
        ("group", group, 10),
        ("no room", lambda s: no_room(s, ids[0]), 15),
    ]
    if driver.device_count() < 2:
        print("skipped: workers with strays: they need two devices: there is one")
    else:
        rows = several.rows(ids) + rows
    rows.append(("context + 20 GiB", lambda s: cycle_row(s, "context + 20 GiB", "memory", 20), 30))
    return 1 if session.rows(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
