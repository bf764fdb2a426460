#!/usr/bin/env python3
"""Programs alone, through `cuda-contexts trace` and through `cuda-contexts run`.

    compare.py PROGRAMS SECONDS [NAME...]

PROGRAMS is the folder with cuda-contexts, client and contract, which hardware/make builds. Prints, for each program,
how long it took, what it printed, and what each library held on each device at its end. A program that this machine
lacks, or that fails alone, is skipped. A row fails if its program behaves differently.
"""

import functools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from harness import HERE, Missing, run_rows
from programs import PROGRAMS

LIMIT = 60
# How much is printed of one program's output and holders.
LENGTH, SHOWN = 400, 8
CLIENT = "init retain:0 retain:0 release:0 create:0 destroy release:0 release:0"


def run(*command):
    """The exit status, both streams, and the seconds that it took."""
    began = time.monotonic()
    try:
        process = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, "", f"no end after {LIMIT} s", LIMIT
    return process.returncode, process.stdout, process.stderr, time.monotonic() - began


def held(file):
    """What each process holds at the end on each device, and how often it retained, by library."""
    events = [json.loads(line) for line in file.read_text().splitlines()]
    end = next((event for event in events if event["event"] == "end"), {"devices": []})
    for device in end["devices"]:
        holders = [
            f"{holder['library']} {holder['references']} ({holder['retained']} retains)"
            for holder in device.get("holders") or []
        ]
        contexts = [f"{each['library']} ({each['kind']})" for each in device.get("contexts") or []]
        yield f"process {device['pid']}, device {device['device']}: {', '.join(holders + contexts)}"


def short(text):
    """As one line."""
    return " ".join(text.split())[:LENGTH]


def compare(cuda_contexts, command, options=(), status=0, traced=lambda streams: streams[0], kept=None):
    """Runs a command alone, traced, and kept if `kept` is given; these two pick what must be the same in each run."""
    alone = run(*command)
    if alone[0] != 0:
        lines = (alone[1] + alone[2]).splitlines() or ["no output"]
        raise Missing(f"it fails without the command, too: {lines[-1][:LENGTH]}")
    yield f"alone, {alone[3]:.1f} s: {short(alone[1])}"
    with tempfile.TemporaryDirectory() as folder:
        events = pathlib.Path(folder, "events.jsonl")
        runs = [("traced", ["trace", "--json", events, *options, "--"], status, traced)]
        runs += [("kept", ["run", "--"], 0, kept)] if kept else []
        differs = False
        for how, verb, wanted, same in runs:
            found = run(cuda_contexts, *verb, *command)
            problems = []
            if found[0] != wanted:
                problems.append(f"exit status {found[0]}, not {wanted}: {short(found[2][-LENGTH:])}")
            # A gate that closes has ended the program.
            if wanted == found[0] == 0 and same(found[1:3]) != same(alone[1:3]):
                problems.append("another output")
            if "not traced" in found[2].lower():
                problems.append("something was not traced")
            differs |= bool(problems)
            verdict = f"DIFFERS: {'; '.join(problems)}" if problems else "the same"
            yield f"{how} {verdict}, {found[3]:.1f} s: {short(found[1])}"
        holders = list(held(events)) if events.exists() else []
    yield from holders[:SHOWN]
    if len(holders) > SHOWN:
        yield f"and {len(holders) - SHOWN} more"
    assert not differs, "it behaves differently"


def without(*keys):
    """Picks what a program of programs.py computed. Only `run` may change where a thread works."""
    def pick(streams):
        result = json.loads(streams[0].splitlines()[-1])
        return {key: value for key, value in result.items() if key not in keys}

    return pick


def sanitizer(cuda_contexts, client):
    """compute-sanitizer calls one release too many an error."""
    found = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if not found:
        raise Missing("there is no compute-sanitizer")
    calls = "init retain:0 create:0 destroy release:0"
    return compare(cuda_contexts, [found, "--error-exitcode", "9", client, *calls.split()])


def contract_lines(streams):
    """How many checks of the contract ran, differed and failed."""
    found = sorted(line for line in streams[1].splitlines() if "contract" in line and "checks" in line)
    assert found, "the contract printed no verdict"
    return found


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    programs, names = pathlib.Path(sys.argv[1]).resolve(), sys.argv[3:]
    cuda_contexts, client, contract = (programs / name for name in ("cuda-contexts", "client", "contract"))

    def of_client(calls, *more):
        return functools.partial(compare, cuda_contexts, [client, *calls.split()], *more)

    rows = {
        "client": of_client(CLIENT, ["--stack", "all"]),
        "client --forbid": of_client(CLIENT, ["--forbid"], 3),
        "client --deny": of_client("init retain:0", ["--deny", "--forbid"], 3),
        "client, fork before cuInit": of_client("fork init retain:0 end"),
        "client, fork after a retain": of_client("init retain:0 fork retain:0 end"),
        # What the wrapped calls cost; only the first word of the output repeats.
        "client, costs": of_client(
            "init retain:0 cost:20000", ["--stack", "none"], 0, lambda streams: streams[0].split()[:1]),
        "compute-sanitizer": functools.partial(sanitizer, cuda_contexts, client),
    }
    for name in PROGRAMS:
        command = [sys.executable, HERE / "programs.py", name]
        options = ["--forbid"] if name == "torch_import" else []
        same = [without("shown"), without("shown", "thread", "contexts")]
        rows[name] = functools.partial(compare, cuda_contexts, command, options, 0, *same)
    if contract.exists():
        command = [contract, "nvidia_driver", "--nocapture"]
        rows["contract"] = functools.partial(compare, cuda_contexts, command, traced=contract_lines)
    chosen = [(name, 1, row) for name, row in rows.items() if not names or name in names]
    return 1 if run_rows(chosen, float(sys.argv[2])) else 0


if __name__ == "__main__":
    sys.exit(main())
