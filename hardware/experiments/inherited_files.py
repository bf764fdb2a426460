"""E8: what a forked child inherits in the kernel: device files, mappings, and the memory they hold."""

import collections
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

from .cells import Skip, cell
from .costs import witness

GIB = 2**30
LIFETIME = 40


def device_files(pid):
    """{file descriptor: target} of a process's open /dev/nvidia* files."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if "nvidia" in target:
            found[int(number)] = target
    return found


def device_mappings(pid):
    """[(start, length)] of a process's mappings of /dev/nvidia* files."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        ranges = [re.match(r"([0-9a-f]+)-([0-9a-f]+) .*nvidia", line) for line in maps
                  if "/dev/nvidia" in line]
    return [(int(found[1], 16), int(found[2], 16) - int(found[1], 16)) for found in ranges if found]


def sleep_as_child():
    """SIGUSR1 closes the inherited device files, SIGUSR2 unmaps their mappings."""
    libc = ctypes.CDLL(None)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)

    def close_files(*_):
        for number in device_files("self"):
            os.close(number)

    def unmap(*_):
        for start, length in device_mappings("self"):
            libc.munmap(start, length)

    signal.signal(signal.SIGUSR1, close_files)
    signal.signal(signal.SIGUSR2, unmap)
    signal.alarm(LIFETIME)
    while True:
        signal.pause()


@cell("E8", "owner", hidden=True)
def owner(run):
    """Holds 1 GiB, forks a sleeper, then answers each line of standard input with an allocation."""
    device = run.device()
    run.driver.cuCtxSetCurrent(run.retain(device))
    allocated = run.driver.cuMemAlloc_v2(GIB)
    sleeper = os.fork()
    if sleeper == 0:
        os.close(0)
        sleep_as_child()
    signal.alarm(LIFETIME)
    print(f"sleeper {sleeper} {allocated}", flush=True)
    for _ in sys.stdin:
        print(f"allocation {run.driver.cuMemAlloc_v2(2**20)} {run.driver.cuCtxSynchronize()}", flush=True)


class Family:
    """An owner process and its sleeping child, seen from outside."""

    def __init__(self, run):
        self.run, self.nvml = run, witness()
        self.used = {"start": self.nvml.settled_mib()}
        self.owner = subprocess.Popen(run.command_for("E8/owner"), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                      env={**os.environ, "CONTRACT_PROCESS": "owner"})
        first = self.owner.stdout.readline().split()
        if len(first) != 3:
            self.owner.wait()
            raise Skip("the owner process found no device")
        self.sleeper = int(first[1])
        time.sleep(0.2)
        self.look("owner and child")
        files = collections.Counter(device_files(self.sleeper).values())
        run.note(child_device_files=files, child_device_mappings=len(device_mappings(self.sleeper)))
        self.inherited = f"{sum(files.values())} device files, {len(device_mappings(self.sleeper))} mappings"

    def look(self, step):
        self.used[step] = self.nvml.settled_mib()
        listed = self.nvml.processes()
        names = {self.owner.pid: "owner", self.sleeper: "child", os.getpid(): "watcher"}
        self.run.note(step=step, used_mib=self.used[step], child_listed=self.sleeper in listed,
                      listed={names.get(pid, "another process"): mib for pid, mib in listed.items()})

    def ask_owner(self):
        self.owner.stdin.write("\n")
        self.owner.stdin.flush()
        return self.owner.stdout.readline().strip()

    def kill_owner(self):
        self.owner.kill()
        self.owner.wait()
        time.sleep(0.3)
        self.look("owner killed")

    def tell_sleeper(self, what, step):
        os.kill(self.sleeper, what)
        time.sleep(0.3)
        self.look(step)

    def end(self):
        if self.owner.poll() is None:
            self.owner.kill()
            self.owner.wait()
        os.kill(self.sleeper, signal.SIGKILL)
        time.sleep(0.3)
        self.look("all dead")

    def summary(self):
        return (f"child inherits {self.inherited}; MiB used: "
                + ", ".join(f"{step} {mib}" for step, mib in self.used.items()))


@cell("E8", "owner-killed", timeout=60)
def owner_killed(run):
    """The parent dies first; then the child closes its files, then its mappings."""
    family = Family(run)
    try:
        family.kill_owner()
        family.tell_sleeper(signal.SIGUSR1, "child closed its files")
        family.tell_sleeper(signal.SIGUSR2, "child unmapped")
    finally:
        family.end()
    return family.summary()


@cell("E8", "child-closes-first", timeout=60)
def child_closes_first(run):
    """The child closes its copies while the parent lives: does the parent go on working?"""
    family = Family(run)
    try:
        family.tell_sleeper(signal.SIGUSR1, "child closed its files")
        after_files = family.ask_owner()
        family.tell_sleeper(signal.SIGUSR2, "child unmapped")
        after_mappings = family.ask_owner()
        family.kill_owner()
    finally:
        family.end()
    return f"{family.summary()}; owner meanwhile: {after_files}, then {after_mappings}"
