"""E8: the device files that a forked child inherits, and the memory that they hold."""

import os
import signal
import subprocess
import sys
import time

from .cells import Skip, cell
from .nvml import witness


def device_files(pid):
    """The descriptors of a process's open /dev/nvidia* files."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            if "nvidia" in os.readlink(f"/proc/{pid}/fd/{number}"):
                found.append(int(number))
        except OSError:
            continue
    return found


@cell("E8", "owner", hidden=True)
def owner(run):
    """Holds 1 GiB and a child that closes the inherited device files on SIGUSR1; ends with its input."""
    run.driver.cuCtxSetCurrent(run.retain(run.device()))
    allocated = run.driver.cuMemAlloc_v2(2**30)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGUSR1, lambda *_: [os.close(number) for number in device_files("self")])
        signal.alarm(40)
        while True:
            signal.pause()
    print(f"child {child} {allocated}", flush=True)
    sys.stdin.read()


@cell("E8", "owner-killed", timeout=60)
def owner_killed(run):
    """The parent is killed; then the child closes its device files."""
    nvml, used = witness(), []

    def look(step):
        used.append(f"{step} {nvml.settled_mib()}")

    look("start")
    parent = subprocess.Popen(run.command_for("E8/owner"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = parent.stdout.readline().split()
    if len(first) != 3 or first[0] != "child":
        parent.wait()
        raise Skip("it needs a device: the owner process found none")
    child = int(first[1])
    try:
        time.sleep(0.2)
        inherited = len(device_files(child))
        look("parent and child")
        parent.kill()
        parent.wait()
        time.sleep(0.3)
        look("parent killed")
        os.kill(child, signal.SIGUSR1)
        time.sleep(0.3)
        look("child closed its files")
    finally:
        parent.kill()
        os.kill(child, signal.SIGKILL)
    return f"the child inherits {inherited} device files; MiB used: {', '.join(used)}"
