"""Which process id the checkpoint functions want: of a container, of a thread, of another user's process."""

import os
import pathlib
import subprocess
import sys

import driver
from harness import FOLDER, Missing, Target

STEPS = ("Lock", "Checkpoint", "Restore", "Unlock")


def state(pid):
    """The code, and the state if the code is 0."""
    found = driver.state(pid)
    return f"{found['code']} {found['state'] or ''}".strip()


def own_id(pid):
    """The id that a process has in its own PID namespace."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def pid_namespace(session):
    """The worker is in a PID namespace of its own, as in a container, and the controller outside."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.getuid() != 0:
        unshare.insert(1, "--map-root-user")
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        raise Missing("no PID namespace can be made here")
    command = [*unshare, sys.executable, os.path.join(FOLDER, "target.py"), "memory", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=FOLDER) as worker:
        try:
            worker.stdout.readline()
            children = pathlib.Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
            outside = int(children.split()[0])
            inside = own_id(outside)
            # Only asked for by the id inside: outside it is another process's.
            before = f"state by the id outside: {state(outside)}, by the id inside: {state(inside)}"
            codes = []
            for step in STEPS:
                codes.append(driver.step(step, outside))
                if step == "Lock":
                    locked = f"by the id inside: {state(inside)}"
            worker.stdin.write("check\n")
            worker.stdin.flush()
            works = worker.stdout.readline().strip()
            session.show(f"{'worker in a PID namespace':32} {before}; steps by the id outside {codes}, "
                         f"while locked {locked}; then {works}")
        finally:
            worker.kill()


def thread(session):
    """The id of a thread of the worker that is not its first."""
    # The driver has threads of its own in a process that uses it.
    with Target("memory", 1) as target:
        threads = sorted(int(name) for name in os.listdir(f"/proc/{target.pid}/task"))
        other = next((each for each in threads if each != target.pid), None)
        if other is None:
            raise Missing("the worker has one thread")
        code = driver.step("Lock", other)
        now = state(target.pid)
        if code == 0:
            driver.step("Unlock", target.pid)
        session.show(f"{'id of a thread':32} state {state(other)}, lock {code}, its process is {now} then")


def other_user(session):
    """The worker belongs to root, and the controller to nobody."""
    if os.getuid() != 0:
        raise Missing("only root can become another user")
    with Target("memory", 1) as target:
        read, write = os.pipe()
        if os.fork() == 0:
            os.setresuid(65534, 65534, 65534)
            said = f"state {state(target.pid)}, lock {driver.step('Lock', target.pid)}"
            os.write(write, said.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            said = answer.read()
        os.wait()
        driver.step("Unlock", target.pid)
        session.show(f"{'process of another user':32} {said}; then {state(target.pid)}, works {target.check().get('ok')}")
