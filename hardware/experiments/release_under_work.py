"""E13: the last release while work runs on the device."""

import ctypes
import functools
import threading
import time

from .cells import Skip, cell

# Spins for so many nanoseconds of the device's timer, with a bound on the rounds.
SPIN = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry spin(.param .u64 duration)
{
    .reg .pred %p<3>;
    .reg .u64 %rd<6>;
    ld.param.u64 %rd1, [duration];
    mov.u64 %rd2, %globaltimer;
    mov.u64 %rd5, 0;
again:
    mov.u64 %rd3, %globaltimer;
    sub.u64 %rd4, %rd3, %rd2;
    add.u64 %rd5, %rd5, 1;
    setp.lt.u64 %p1, %rd4, %rd1;
    setp.lt.and.u64 %p2, %rd5, 400000000, %p1;
    @%p2 bra again;
    ret;
}
"""


def busy_stream(run):
    """A stream with a kernel that runs for a second."""
    stream = run.driver.cuStreamCreate(1)["stream"]
    module = run.driver.cuModuleLoadData(SPIN)
    if not module.ok:
        raise Skip(f"no kernel: cuModuleLoadData returned {module}")
    function = run.driver.cuModuleGetFunction(module["module"], b"spin")
    duration = ctypes.c_uint64(10**9)
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(duration))
    launched = run.driver.cuLaunchKernel(function["function"], 1, 1, 1, 1, 1, 1, 0, stream, parameters, None)
    if not launched.ok:
        raise Skip(f"no kernel: cuLaunchKernel returned {launched}")
    return stream


def release_under_work(run, waiting):
    """Another thread releases the last reference while a kernel of this one runs."""
    device = run.device()
    run.driver.cuCtxSetCurrent(run.retain(device))
    stream = busy_stream(run)
    running = run.driver.cuStreamQuery(stream)
    box = {}

    def release():
        time.sleep(0.2 if waiting else 0)
        box["release"] = run.release(device)

    thread = threading.Thread(target=release)
    thread.start()
    waited = f"; cuStreamSynchronize meanwhile {run.driver.cuStreamSynchronize(stream)}" if waiting else ""
    thread.join()
    return (f"kernel of 1 s, cuStreamQuery {running}; last release {box['release']} in "
            f"{box['release'].milliseconds:.0f} ms -> {run.state(device)}{waited}; then cuCtxSynchronize "
            f"{run.driver.cuCtxSynchronize()}, retain {run.driver.cuDevicePrimaryCtxRetain(device)}, "
            f"cuMemAlloc {run.driver.cuMemAlloc_v2(2**20)}")


for name, waiting in {"release-under-kernel": False, "release-under-waiting-thread": True}.items():
    cell("E13", name, timeout=40)(functools.partial(release_under_work, waiting=waiting))
