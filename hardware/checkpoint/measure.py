#!/usr/bin/env python3
"""What the driver does when processes are suspended and resumed through the crate.

    measure.py --example PATH --out FOLDER [--seconds 330] [--only NAME,...]

Needs the built example `checkpoint`, a driver of CUDA 12.8 or newer, and for some rows PyTorch. Writes
checkpoint.jsonl, every run and every raw call, and checkpoint.txt, a line a row.
"""

import argparse
import ctypes
import os
import platform
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
import driver  # noqa: E402
from harness import Session, Target, codes, host_mebibytes, milliseconds, processes  # noqa: E402

REPETITIONS = 10
CYCLES = [
    # name, kind, number
    ("nothing", "nothing", None),
    ("library loaded", "loaded", None),
    ("cuInit only", "initialised", None),
    ("context released", "released", None),
    ("context released while current", "released_while_current", None),
    ("one context", "contexts", 1),
    ("two contexts", "contexts", 2),
    ("context + 1 GiB", "memory", 1),
    ("exported by cuIpcGetMemHandle", "ipc", None),
    ("pinned memory", "pinned", None),
    ("registered memory", "registered", None),
    ("memory pool", "pool", None),
    ("a forked child holds its files", "forked", None),
    ("managed memory", "managed", None),
    ("PyTorch with cuBLAS", "torch", None),
    ("PyTorch, pinned, DataLoader", "torch_loader", None),
    ("context + 20 GiB", "memory", 20),
]


def describe(report):
    times = [milliseconds(report, name) for name in ("checkpoint", "restore")]
    shown = ["-" if value is None else f"{value:.0f}" for value in times]
    return f"ms {', '.join(shown)}; host MiB of process, of machine {host_mebibytes(report)}"


def cycle_row(session, name, kind, number):
    with Target(kind, number) as target:
        run = session.run(name, "--cycle", "--pid", target.pid, "--force")
        check = target.check()
        session.note(name, check=check, raw_state=driver.state(target.pid))
        state = processes(run["report"])[0].get("state")
        session.tell(
            f"{name:32} codes {codes(run['report'])}, exit {run['status']}, then {state}, "
            f"works {check.get('ok')}; {describe(run['report'])}"
        )


def oneself(session):
    run = session.run("oneself", "--cycle", "--self", "--force")
    session.tell(f"{'oneself':32} codes {codes(run['report'])}, exit {run['status']}; {describe(run['report'])}")


def forked_child_as_target(session):
    with Target("forked") as target:
        tree = session.run("tree", "--state", "--tree", target.pid)["report"]
        children = [member["pid"] for member in tree.get("tree", []) if member["pid"] != target.pid]
        answers = []
        for child in children:
            run = session.run("forked child", "--cycle", "--pid", child, "--force")
            answers.append((codes(run["report"]), driver.state(child)))
        held = [len(member["device_files"] or []) for member in tree.get("tree", [])]
        found = [process.get("pid") == target.pid for process in processes(tree)]
        session.tell(f"{'a forked child itself':32} {answers}; tree: device files {held}, with CUDA only the parent {found == [True]}")


def raw_orders(session):
    """Steps out of order: the types have none, so they are made by hand, from each state."""
    with Target("contexts", 1) as target:
        lines = []
        reach = [("running", []), ("locked", ["Lock"]), ("checkpointed", ["Checkpoint"])]
        fits = {"running": ["Lock"], "locked": ["Checkpoint", "Unlock"], "checkpointed": ["Restore"]}
        for state, steps in reach:
            for step in steps:
                session.note("out of order", raw=step, code=driver.step(step, target.pid))
            for step in ("Lock", "Checkpoint", "Restore", "Unlock"):
                if step not in fits[state]:
                    code = driver.step(step, target.pid)
                    after = driver.state(target.pid)
                    session.note("out of order", state=state, raw=step, code=code, after=after)
                    lines.append((code, after["state"] == state))
        again = session.run("suspended twice", "--suspend", "--pid", target.pid)
        resumed = session.run("resumed by another controller", "--resume", "--pid", target.pid, "--force")
        check = target.check()
        session.tell(
            f"{'out of order, raw':32} {sorted(set(lines))} of {len(lines)}; suspended twice "
            f"{codes(again['report'])}; resumed by a second controller {codes(resumed['report'])}, works {check.get('ok')}"
        )


def nobody(session):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = session.run("no such process", "--state", "--pid", process.pid)
    raw = [driver.step(step, process.pid) for step in ("Lock", "Checkpoint", "Restore", "Unlock")]
    session.note("no such process", raw=raw, state=driver.state(process.pid))
    session.tell(f"{'no such process':32} exit {run['status']}, {run['report'].get('error', {}).get('kind')}; raw {raw}")


def busy(session):
    with Target("busy", 6) as target:
        short = session.run("busy", "--suspend", "--pid", target.pid, "--limit", "0.001")
        longer = session.run("busy", "--suspend", "--pid", target.pid, "--limit", "2")
        state = driver.state(target.pid)
        check = target.check()
        run = session.run("busy, then not", "--cycle", "--pid", target.pid, "--force")
        session.tell(
            f"{'busy for 6 s':32} 1 ms {codes(short['report'])}, 2 s {codes(longer['report'])} after "
            f"{longer['seconds']:.2f} s, state {state['state']}; works {check.get('ok')}, then {codes(run['report'])}"
        )


def all_gpus():
    """The ids of all GPUs that the kernel driver shows, else of this process's first one."""
    found = []
    root = "/proc/driver/nvidia/gpus"
    for folder in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        with open(os.path.join(root, folder, "information")) as text:
            found += [line.split(":", 1)[1].strip() for line in text if line.startswith("GPU UUID")]
    return found or None


def maps(session, ids):
    other = "GPU-01234567-89ab-cdef-0123-456789abcdef"
    same = [argument for gpu in ids for argument in ("--map", f"{gpu}={gpu}")]
    wrong = [argument for gpu in ids for argument in ("--map", f"{gpu}={other if gpu == ids[0] else gpu}")]
    with Target("contexts", 1) as target:
        pid = target.pid
        session.run("maps", "--suspend", "--pid", pid)
        results = []
        for name, arguments in (("to another GPU", wrong), ("of another GPU", ["--map", f"{other}={other}"]), ("the same", same)):
            run = session.run(f"map {name}", "--resume", "--pid", pid, "--force", *arguments)
            report = run["report"]
            kind = (report.get("error") or {}).get("kind")
            results.append((name, codes(report), kind, driver.state(pid)["state"]))
        session.tell(f"{'maps':32} {results}, works {target.check().get('ok')}")


def no_room(session, gpu):
    with Target("memory", 2) as target:
        suspended = session.run("no room", "--suspend", "--pid", target.pid)
        needs = suspended["report"].get("memory") or []
        arguments = [argument for m in needs for argument in ("--needs", f"{m['device']}={m['bytes']}")]
        if not arguments:
            arguments = ["--needs", f"{gpu}={3 << 30}"]
        session.note("no room", needs=needs)
        with Target("fill") as hog:
            looked = session.run("no room, looked", "--resume", "--pid", target.pid, *arguments)
            state = driver.state(target.pid)
            trusted = session.run("no room, trusted", "--resume", "--pid", target.pid, "--force")
            after = driver.state(target.pid)
            hog.kill()
        again = session.run("room again", "--resume", "--pid", target.pid, "--force")
        unlock = driver.step("Unlock", target.pid)
        session.note("no room", unlock=unlock, looked_state=state, state=after)
        error = looked["report"].get("error") or {}
        session.tell(
            f"{'no room':32} looked at by NVML: {error.get('kind')} with no call, {state['state']}; trusted: "
            f"{codes(trusted['report'])}, {after['state']}; with room again {codes(again['report'])}, unlock {unlock}"
        )


def nvml(session):
    """A cycle that looks for room by NVML."""
    with Target("memory", 1) as target:
        run = session.run("by NVML", "--cycle", "--pid", target.pid)
        report = run["report"]
        needed = [room["needed"] >> 20 for room in report.get("room") or []]
        error = (report.get("error") or {}).get("kind")
        session.tell(
            f"{'a cycle that asks NVML':32} exit {run['status']}, {error}, codes {codes(report)}, needed MiB {needed}, "
            f"works {target.check().get('ok')}"
        )


def group(session):
    with Target("contexts", 1) as first, Target("memory", 1) as second, Target("managed") as third:
        pids = ("--pid", first.pid, "--pid", second.pid)
        two = session.run("two together", "--cycle", *pids, "--force")
        three = session.run("three, one that cannot", "--cycle", *pids, "--pid", third.pid, "--force")
        works = [target.check().get("ok") for target in (first, second, third)]
        session.tell(f"{'two processes together':32} {codes(two['report'])}; with one that cannot {codes(three['report'])}; work {works}")


def killed_controller(session):
    with Target("memory", 4) as target:
        controller = subprocess.Popen([session.example, "--suspend", "--pid", str(target.pid)], stdout=subprocess.DEVNULL)
        time.sleep(0.4)
        controller.kill()
        controller.wait()
        seen = []
        for _ in range(60):
            state = driver.state(target.pid)
            if not seen or seen[-1][1] != state["state"]:
                seen.append((round(time.monotonic(), 3), state["state"]))
            time.sleep(0.1)
        began = seen[0][0]
        seen = [(round(at - began, 1), state) for at, state in seen]
        session.note("killed controller", seen=seen)
        resumed = session.run("killed controller", "--resume", "--pid", target.pid, "--force")
        session.tell(
            f"{'controller killed in a checkpoint':32} states {seen}; resumed {codes(resumed['report'])}, "
            f"works {target.check().get('ok')}"
        )


def state_meanwhile(session):
    """What the driver says of a process while it is being checkpointed and restored."""
    with Target("memory", 2) as target:
        seen, ended = [], threading.Event()

        def look():
            while not ended.is_set():
                began = time.monotonic()
                state = driver.state(target.pid)["state"]
                took = round(time.monotonic() - began, 3)
                if not seen or seen[-1][0] != state:
                    seen.append([state, took])
                seen[-1][1] = max(seen[-1][1], took)
                time.sleep(0.01)

        thread = threading.Thread(target=look)
        thread.start()
        run = session.run("state meanwhile", "--cycle", "--pid", target.pid, "--force")
        ended.set()
        thread.join()
        session.note("state meanwhile", seen=seen)
        session.tell(f"{'states seen in a cycle':32} {codes(run['report'])}: [state, longest answer in s] {seen}")


def spread(values):
    if not values:
        return "-"
    low, high = min(values), max(values)
    return f"{statistics.median(values):.0f} ({low:.0f} to {high:.0f})"


def one_more_context(session):
    """The same process with one context and with two, in turn; what differs is the second's cost."""
    with Target("contexts", 1) as one, Target("contexts", 2) as two:
        rows = []
        for repetition in range(REPETITIONS):
            if session.left() < 20:
                break
            pair = []
            for target in (one, two):
                report = session.run("one more context", "--cycle", "--pid", target.pid, "--force")["report"]
                pair.append([milliseconds(report, "checkpoint"), milliseconds(report, "restore"), *host_mebibytes(report)])
            rows.append(pair)
        works = one.check().get("ok") and two.check().get("ok")
        whole = [row for row in rows if None not in row[0] + row[1]]
        names = ("checkpoint ms", "restore ms", "MiB of the process", "MiB of the host")
        costs = {name: [b[at] - a[at] for a, b in whole] for at, name in enumerate(names)}
        alone = {name: [a[at] for a, _ in whole] for at, name in enumerate(names)}
        session.note("one more context", costs=costs, alone=alone)
        for title, values in (("one context", alone), ("one more context costs", costs)):
            told = ", ".join(f"{name} {spread(values[name])}" for name in names)
            session.tell(f"{title:32} median (least to most) of {len(whole)}: {told}; works {works}")


def machine(session):
    number = ctypes.c_int()
    driver.call("cuDriverGetVersion", ctypes.byref(number))
    driver.must("cuInit", 0)
    name = ctypes.create_string_buffer(96)
    driver.must("cuDeviceGetName", name, 96, driver.device())
    kernel = ""
    if os.path.exists("/proc/driver/nvidia/version"):
        with open("/proc/driver/nvidia/version") as text:
            kernel = text.readline().strip()
    gpu = driver.uuid()
    ids = all_gpus() or [driver.uuid(ordinal) for ordinal in range(driver.device_count())]
    session.note("machine", cuda=number.value, device=name.value.decode(), kernel=kernel, gpus=ids, linux=platform.release(), python=platform.python_version())
    session.tell(f"CUDA {number.value}, {name.value.decode()}, Linux {platform.release()}; {kernel}; {len(ids)} GPUs")
    return gpu, ids


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--example", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=330)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    session = Session(os.path.abspath(options.example), options.out, options.seconds)
    gpu, ids = machine(session)
    rows = [(name, lambda s, r=(name, kind, number): cycle_row(s, *r), 40 if "20" in name else 5) for name, kind, number in CYCLES]
    last = rows.pop()
    rows += [
        ("oneself", oneself, 5),
        ("forked child", forked_child_as_target, 5),
        ("out of order", raw_orders, 5),
        ("nobody", nobody, 2),
        ("busy", busy, 15),
        ("maps", lambda s: maps(s, ids), 5),
        ("one more context", one_more_context, 30),
        ("no room", lambda s: no_room(s, gpu), 15),
        ("nvml", nvml, 5),
        ("group", group, 10),
        ("state meanwhile", state_meanwhile, 10),
        last,
        ("killed controller", killed_controller, 20),
    ]
    return 1 if session.rows(rows, options.only) else 0


if __name__ == "__main__":
    sys.exit(main())
