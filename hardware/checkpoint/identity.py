"""What the checkpoint functions return for the id of a thread, and for another user's process."""

import os

import driver
from harness import Missing, Target


def state(pid):
    """The code, and the state if the code is 0."""
    found = driver.state(pid)
    return f"{found['code']} {found['state'] or ''}".strip()


def thread():
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
        yield f"state {state(other)}, lock {code}, its process is {now} then"


def other_user():
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
        yield f"{said}; then {state(target.pid)}, works {target.works()}"
