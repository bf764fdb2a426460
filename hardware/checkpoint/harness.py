"""Processes to suspend, runs of the example, and the record."""

import json
import os
import select
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Missing(Exception):
    """What a row needs and this machine lacks."""


class Target:
    """A process of one kind; see target.py, or another such program."""

    def __init__(self, kind, number=None, wait=90, program="target.py", **environment):
        command = [sys.executable, os.path.join(FOLDER, program), kind]
        command += [] if number is None else [str(number)]
        self.name = " ".join(command[2:])
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER,
            env={**os.environ, **environment},
        )
        self.pid = self.process.pid
        if not environment:
            self.stand(wait)

    def stand(self, wait=90):
        """Waits until it stands; one that waits for others is waited for when all are started."""
        first = self.read(wait)
        if "missing" in first:
            self.kill()
            raise Missing(first["missing"])

    def read(self, wait):
        ready, _, _ = select.select([self.process.stdout], [], [], wait)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            code = self.process.poll()
            self.kill()
            raise RuntimeError(f"{self.name}: no answer within {wait} s, status {code}")
        return json.loads(line)

    def ask(self):
        self.process.stdin.write("check\n")
        self.process.stdin.flush()

    def check(self, wait=30, asked=False):
        """Does its work and says whether it came out right; an answer that does not come is told."""
        try:
            if not asked:
                self.ask()
            return self.read(wait)
        except (OSError, RuntimeError) as error:
            return {"ok": False, "error": str(error)}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Session:
    """The example, the time that is left, and the record that everything is written to."""

    def __init__(self, example, out, seconds, name="checkpoint"):
        self.example = example
        self.end = time.monotonic() + seconds
        self.seconds = seconds
        os.makedirs(out, exist_ok=True)
        self.record = open(os.path.join(out, f"{name}.jsonl"), "w")
        self.summary = open(os.path.join(out, f"{name}.txt"), "w")

    def left(self):
        return self.end - time.monotonic()

    def note(self, row, **what):
        self.record.write(json.dumps({"row": row, **what}) + "\n")
        self.record.flush()

    def tell(self, line):
        print(line, flush=True)
        self.summary.write(line + "\n")
        self.summary.flush()

    def rows(self, rows, only=""):
        """Runs rows, each a name, a function and the seconds it needs; how many failed."""
        chosen = [name for name in only.split(",") if name]
        failed = 0
        for name, row, needs in rows:
            if chosen and name not in chosen:
                continue
            if self.left() < needs:
                self.tell(f"{name:32} left out: {self.left():.0f} s are left")
                continue
            try:
                row(self)
            except Missing as missing:
                self.note(name, missing=str(missing))
                self.tell(f"{name:32} skipped: {missing}")
            except Exception as error:
                failed += 1
                self.note(name, failed=repr(error))
                self.tell(f"{name:32} failed: {error!r}")
        self.tell(f"{failed} rows failed; {self.seconds - self.left():.0f} s")
        return failed

    def run(self, row, *arguments, limit=120):
        """One run of the example; its exit status and its object."""
        began = time.monotonic()
        command = [self.example, "--json", *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            self.note(row, run=command[1:], timed_out=limit)
            return {"status": None, "report": {}, "seconds": limit}
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {"output": done.stdout, "errors": done.stderr}
        seconds = round(time.monotonic() - began, 4)
        self.note(row, run=command[1:], status=done.returncode, seconds=seconds, report=report)
        return {"status": done.returncode, "report": report, "seconds": seconds}


def processes(report):
    return report.get("processes") or [{}]


def codes(report):
    """The answer of every step, 0 for success, in order."""
    steps = [step for process in processes(report) for step in process.get("steps", [])]
    return [step["error"]["code"] or step["error"]["kind"] if step["error"] else 0 for step in steps]


def milliseconds(report, name):
    for step in processes(report)[0].get("steps", []):
        if step["step"] == name and not step["error"]:
            return step["milliseconds"]
    return None


def host_mebibytes(report):
    """How much more host memory was taken while suspended: of the process, and of the whole host."""
    resident = processes(report)[0].get("resident", {})
    available = report.get("available", {})
    grown = [(resident.get("before"), resident.get("suspended")), (available.get("suspended"), available.get("before"))]
    return [None if None in pair else round((pair[1] - pair[0]) / (1 << 20)) for pair in grown]
