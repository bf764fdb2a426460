#!/usr/bin/env python3
"""Runs small CUDA programs alone and through `cuda-contexts trace`, and prints what each library holds.

    trace/compare.py PROGRAMS SECONDS

PROGRAMS has cuda-contexts, client and, if wanted, contract. Exit status 1: through the trace, a program wrote
something else to standard output or exited with another status, and neither --forbid nor --deny asked for it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

LIMIT = 60
# Lines printed for one program.
SHOWN = 8
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = [
    ("torch_matmul", ["torch"]),
    ("torch_profiler", ["torch"]),
    ("torch_spawn", ["torch"]),
    ("torch_import", ["torch"]),
    ("torch_thread", ["torch"]),
    ("triton_kernel", ["torch", "triton"]),
    ("cupy_sum", ["cupy"]),
    ("jax_sum", ["jax"]),
    ("numba_kernel", ["numba", "numba.cuda"]),
    ("torch_data_loader", ["torch"]),
]
CLIENT = "init retain:0 retain:0 release:0 create:0 destroy release:0 release:0"


class Missing(Exception):
    pass


def run(command):
    try:
        process = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, "", f"no end after {LIMIT} s"
    return process.returncode, process.stdout, process.stderr


def can_be_imported(modules):
    for module in modules:
        if run([sys.executable, "-c", f"import {module}"])[0] != 0:
            raise Missing(f"{module} cannot be imported")


def program(name):
    for folder in os.environ.get("PATH", "").split(os.pathsep) + ["/usr/local/cuda/bin"]:
        path = pathlib.Path(folder) / name
        if os.access(path, os.X_OK):
            return path
    raise Missing(f"there is no {name}")


def held(file):
    """What each process holds at the end on each device, and how often it retained, by library."""
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    end = next((event for event in events if event["event"] == "end"), {"devices": []})
    for device in end["devices"]:
        holders = [
            f"{holder['library']} {holder['references']} ({holder['retained']} retains)"
            for holder in device.get("holders") or []
        ]
        contexts = [f"{each['library']} ({each['kind']})" for each in device.get("contexts") or []]
        yield f"process {device['pid']}, device {device['device']}: {', '.join(holders + contexts)}"


class Comparison:
    def __init__(self, trace, seconds):
        self.trace, self.ends = trace, time.monotonic() + seconds
        self.differ = 0

    def compare(self, name, command, options=(), expected=None, same=lambda output, errors: output):
        """Runs it alone and through the trace; `same` picks what is compared."""
        try:
            if time.monotonic() > self.ends:
                raise Missing("the time of this part is over")
            verdict, lines = self.measure(command() if callable(command) else command, options, expected, same)
        except Missing as missing:
            print(f"skipped: {name}: {missing}", flush=True)
            return
        self.differ += verdict.startswith("DIFFERS")
        print(f"{name}: {verdict}")
        for line in lines[:SHOWN]:
            print(f"    {line}")
        if len(lines) > SHOWN:
            print(f"    and {len(lines) - SHOWN} more")
        sys.stdout.flush()

    def measure(self, command, options, expected, same):
        with tempfile.TemporaryDirectory() as folder:
            events = pathlib.Path(folder, "events.jsonl")
            began = time.monotonic()
            alone = run(command)
            between = time.monotonic()
            traced = run([self.trace, "trace", "--json", events, *options, "--", *command])
            seconds = f"alone {between - began:.1f} s, traced {time.monotonic() - between:.1f} s"
            lines = list(held(events))
        if alone[0] != 0 and expected is None:
            last = (alone[2] or alone[1] or "no output").strip().splitlines()[-1][:200]
            raise Missing(f"it fails without the trace, too: {last}")
        wanted = alone[0] if expected is None else expected
        problems = []
        if traced[0] != wanted:
            problems.append(f"status {traced[0]} and not {wanted}")
        if expected is None and same(*traced[1:]) != same(*alone[1:]):
            problems.append(f"another output: {traced[1][:200]!r} and not {alone[1][:200]!r}")
        if "not traced" in traced[2].lower():
            problems.append("something was not traced")
        if "cost" in str(command):
            lines += [f"alone:  {alone[1].strip()}", f"traced: {traced[1].strip()}"]
        return f"{'DIFFERS: ' + '; '.join(problems) if problems else 'the same'}, {seconds}", lines


def verdicts(_, errors):
    """How many checks of the contract ran, differed and failed."""
    found = sorted(line for line in errors.splitlines() if "contract" in line and "checks" in line)
    assert found, "the contract printed no verdict"
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv[1]).resolve()
    comparison = Comparison(programs / "cuda-contexts", float(sys.argv[2]))
    client = programs / "client"
    comparison.compare("client", [client, *CLIENT.split()], ["--stack", "all"])
    comparison.compare("client --forbid", [client, *CLIENT.split()], ["--forbid"], expected=3)
    comparison.compare("client --deny", [client, "init", "retain:0"], ["--deny", "--forbid"], expected=3)
    comparison.compare("client, fork before cuInit", [client, "fork", "init", "retain:0", "end"])
    comparison.compare("client, fork after a retain", [client, "init", "retain:0", "fork", "retain:0", "end"])
    # What the wrapped calls cost; only the first word of the output repeats.
    cost = [client, "init", "retain:0", "cost:20000"]
    comparison.compare("client, costs", cost, ["--stack", "none"], same=lambda output, _: output.split()[:1])

    # compute-sanitizer calls one release too many an error.
    calls = "init retain:0 create:0 destroy release:0"
    comparison.compare("compute-sanitizer", lambda: [
        program("compute-sanitizer"), "--error-exitcode", "9", client, *calls.split()])
    for name, modules in PYTHON:
        def command(name=name, modules=modules):
            can_be_imported(modules)
            return [sys.executable, HERE / "programs" / f"{name}.py"]

        comparison.compare(name, command, ["--forbid"] if name == "torch_import" else [])
    if (programs / "contract").exists():
        comparison.compare("contract", [programs / "contract", "nvidia_driver", "--nocapture"], same=verdicts)
    sys.exit(comparison.differ > 0)


main()
