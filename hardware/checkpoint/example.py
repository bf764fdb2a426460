"""Runs of the example `checkpoint`, and what their reports say."""

import json
import os
import subprocess
import time


class Example:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, *arguments, limit=60):
        """One run; its exit status, its object and how long it took."""
        began = time.monotonic()
        command = [self.path, "--json", *map(str, arguments)]
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
        run = self.run("--suspend", *named(pids))
        run["report"]["host"] = grown(before, host_mebibytes(pids[0]))
        return run

    def resume(self, *pids, more=()):
        return self.run("--resume", *named(pids), "--force", *more)

    def cycle(self, *pids, more=()):
        """Suspends processes and, if that went well, resumes them: one run with the steps of both."""
        run = self.suspend(*pids)
        if run["status"] == 0:
            resumed = self.resume(*pids, more=more)
            for process, again in zip(processes(run["report"]), processes(resumed["report"])):
                process["steps"] += again.get("steps", [])
                process["state"] = again.get("state")
            run["status"] = resumed["status"]
        return run


def named(pids):
    return [word for pid in pids for word in ("--pid", pid)]


def processes(report):
    return report.get("processes") or [{}]


def codes(run):
    """The result of every step, 0 for success, in order."""
    steps = [step for process in processes(run["report"]) for step in process.get("steps", [])]
    return [step["error"]["code"] or step["error"]["kind"] if step["error"] else 0 for step in steps]


def milliseconds(report, name):
    for step in processes(report)[0].get("steps", []):
        if step["step"] == name and not step["error"]:
            return f"{step['milliseconds']:.0f}"
    return "-"


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


def describe(run):
    times = [milliseconds(run["report"], name) for name in ("checkpoint", "restore")]
    return f"ms {', '.join(times)}; host MiB of process, of machine {run['report'].get('host')}"


def cycle_line(example, target, more=()):
    """A cycle of one process, with more arguments for its restore, and whether it works afterwards."""
    run = example.cycle(target.pid, more=more)
    state = processes(run["report"])[0].get("state")
    return f"codes {codes(run)}, exit {run['status']}, then {state}, works {target.works()}; {describe(run)}"
