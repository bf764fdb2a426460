"""E1: what a child of a bare `clone` gets, and whether PyTorch's import leaves a process that may fork.

Children of `fork` are part of the contract that the crate's tests check (tests/contract/fork.rs).
"""

import ctypes
import functools
import os
import signal

from .cells import Skip, cell


def clone():
    """fork by a bare clone system call: pthread_atfork handlers do not run."""
    number = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine)
    if number is None:
        raise Skip("the number of the clone system call is not known for this machine")
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_long(signal.SIGCHLD), *[ctypes.c_long(0)] * 4)
    if pid < 0:
        raise Skip(f"the clone system call failed: errno {ctypes.get_errno()}")
    return pid


def calls(run):
    """The child's calls before and after its own cuInit."""
    def codes():
        driver = run.driver
        return (f"count {driver.cuDeviceGetCount()}, state {run.state(0)}, current {driver.cuCtxGetCurrent()}, "
                f"release {driver.cuDevicePrimaryCtxRelease(0)}, release_v2 {run.release(0)}")

    before = codes()
    return f"before cuInit [{before}]; cuInit {run.driver.cuInit(0)}; after it [{codes()}]"


def nothing(run):
    run.driver


def initialised(run):
    run.device()


def current(run):
    run.driver.cuCtxSetCurrent(run.retain(run.device()))


def torch_import(run):
    import torch  # noqa: F401: the import is the experiment


def torch_is_available(run):
    import torch
    torch.cuda.is_available()


def parent_and_child(run, prepare, make_child):
    prepare(run)
    said, how = run.in_child(lambda: calls(run), make_child)
    return f"child: {said}; {how}"


for name, prepare in {"loaded": nothing, "initialised": initialised, "current": current}.items():
    cell("E1", f"clone-{name}")(functools.partial(parent_and_child, prepare=prepare, make_child=clone))
for prepare in (torch_import, torch_is_available):
    cell("E1", f"fork-{prepare.__name__}", needs=("torch",), timeout=90)(
        functools.partial(parent_and_child, prepare=prepare, make_child=os.fork))
