"""Processes to suspend, and runs of the example."""

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
        """Waits until it is ready; those that need one another are started first."""
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
            raise RuntimeError(f"{self.name}: no line within {wait} s, status {code}")
        return json.loads(line)

    def ask(self):
        self.process.stdin.write("check\n")
        self.process.stdin.flush()

    def check(self, wait=30, asked=False):
        """Lets it work and returns whether the result is right, or what failed."""
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
    """The example, the time that is left, and the lines that are printed."""

    def __init__(self, example, seconds):
        self.example = os.path.abspath(example)
        self.end = time.monotonic() + seconds

    def left(self):
        return self.end - time.monotonic()

    def show(self, line):
        print(line, flush=True)

    def rows(self, rows):
        """Runs rows, each a name, a function and the seconds it needs; how many failed."""
        failed = 0
        for name, row, needs in rows:
            if self.left() < needs:
                self.show(f"skipped: {name}: it needs {needs} s, and {max(self.left(), 0):.0f} s are left")
                continue
            try:
                row(self)
            except Missing as missing:
                self.show(f"skipped: {name}: {missing}")
            except Exception as error:
                failed += 1
                self.show(f"{name:32} failed: {error!r}")
        return failed

    def run(self, *arguments, limit=60):
        """One run of the example; its exit status and its object."""
        began = time.monotonic()
        command = [self.example, "--json", *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return {"status": None, "report": {}, "seconds": limit}
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {}
        return {"status": done.returncode, "report": report, "seconds": time.monotonic() - began}

    def suspend(self, *pids):
        """The run that suspends these processes, with the growth of the first one's memory in the host."""
        before = host_mebibytes(pids[0])
        run = self.run("--suspend", *(word for pid in pids for word in ("--pid", pid)))
        run["report"]["host"] = grown(before, host_mebibytes(pids[0]))
        return run

    def cycle(self, *pids):
        """Suspends processes and, if that went well, resumes them: one run with the steps of both."""
        run = self.suspend(*pids)
        if run["status"] == 0:
            resumed = self.run("--resume", *(word for pid in pids for word in ("--pid", pid)), "--force")
            for process, again in zip(processes(run["report"]), processes(resumed["report"])):
                process["steps"] += again.get("steps", [])
                process["state"] = again.get("state")
            run["status"] = resumed["status"]
        return run


def processes(report):
    return report.get("processes") or [{}]


def codes(report):
    """The result of every step, 0 for success, in order."""
    steps = [step for process in processes(report) for step in process.get("steps", [])]
    return [step["error"]["code"] or step["error"]["kind"] if step["error"] else 0 for step in steps]


def milliseconds(report, name):
    for step in processes(report)[0].get("steps", []):
        if step["step"] == name and not step["error"]:
            return step["milliseconds"]
    return None


def host_mebibytes(pid):
    """What a process has in the host, and what the host has left; None if the kernel does not say."""

    def kibibytes(path, field):
        try:
            with open(path, errors="replace") as lines:
                return next(int(line.split()[1]) for line in lines if line.startswith(field))
        except (OSError, StopIteration):
            return None

    found = kibibytes(f"/proc/{pid}/status", "VmRSS:"), kibibytes("/proc/meminfo", "MemAvailable:")
    return [None if value is None else value >> 10 for value in found]


def grown(before, suspended):
    """How much more host memory was taken while suspended: of the process, and of the whole host."""
    pairs = [(before[0], suspended[0]), (suspended[1], before[1])]
    return [None if None in pair else pair[1] - pair[0] for pair in pairs]


def describe(report):
    times = [milliseconds(report, name) for name in ("checkpoint", "restore")]
    shown = ["-" if value is None else f"{value:.0f}" for value in times]
    return f"ms {', '.join(shown)}; host MiB of process, of machine {report.get('host')}"
