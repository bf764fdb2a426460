"""E11: cuCtxDestroy on a primary context. E12: a green context and the count."""

import ctypes
import functools

from .cells import Skip, cell

SM_RESOURCE = 1
DEFAULT_STREAM = 1
# CUdevResource: 144 bytes, its SM count at byte 96; room for several and to spare.
RESOURCE_BYTES, SM_COUNT_AT = 144, 96


def destroy(run, function="cuCtxDestroy_v2", retains=1, make_current=False, dead=False):
    device = run.device()
    for _ in range(retains):
        handle = run.retain(device)
    if make_current:
        run.driver.cuCtxSetCurrent(handle)
    if dead:
        for _ in range(retains):
            run.release(device)
    before = run.state(device)
    answer = run.driver.call(function, (handle,))
    after = run.state(device)
    now = run.driver.cuCtxGetCurrent()
    current = {None: "none", handle: "the primary"}.get(now["context"], "another") if now.ok else now
    releases = [f"{run.release(device)}->{run.state(device)}" for _ in range(retains + 1)]
    again = run.driver.cuDevicePrimaryCtxRetain(device)
    return (f"{before}, destroy {answer}->{after}, current {current}; releases {' '.join(releases)}; "
            f"retain afterwards {again}->{run.state(device)}")


for title, options in {"refs1": {}, "refs2": {"retains": 2}, "current": {"make_current": True},
                       "bare-symbol": {"function": "cuCtxDestroy"},
                       "dead": {"dead": True}}.items():
    cell("E11", f"destroy-{title}")(functools.partial(destroy, **options))


def resources(count):
    return (ctypes.c_ubyte * (RESOURCE_BYTES * count))()


def make_green(run, device):
    """A green context over a split of the device's SMs (all of them where a split is refused)."""
    whole, groups, rest = resources(1), resources(4), resources(1)
    got = run.driver.cuDeviceGetDevResource(device, whole, SM_RESOURCE)
    if not got.ok:
        raise Skip(f"cuDeviceGetDevResource answered {got}")
    run.note(sm_count=ctypes.c_uint32.from_buffer(whole, SM_COUNT_AT).value)
    wanted = ctypes.c_uint32(1)
    split = run.driver.cuDevSmResourceSplitByCount(groups, wanted, whole, rest, 0, 8)
    chosen = groups if split.ok and wanted.value else whole
    described = run.driver.cuDevResourceGenerateDesc(chosen, 1)
    if not described.ok:
        raise Skip(f"cuDevResourceGenerateDesc answered {described}")
    made = run.driver.cuGreenCtxCreate(described["desc"], device, DEFAULT_STREAM)
    if not made.ok:
        raise Skip(f"cuGreenCtxCreate answered {made}")
    return made["green"]


@cell("E12", "green-alone")
def green_alone(run):
    """No retain of ours: which references does a green context bring?"""
    device = run.device()
    before = run.state(device)
    green = make_green(run, device)
    with_green = run.state(device)
    converted = run.driver.cuCtxFromGreenCtx(green)
    destroyed = run.driver.cuGreenCtxDestroy(green)
    return (f"{before}, green made {with_green}, cuCtxFromGreenCtx {converted}, "
            f"destroyed {destroyed}->{run.state(device)}")


@cell("E12", "green-under-retain")
def green_under_retain(run):
    device = run.device()
    primary = run.retain(device)
    green = make_green(run, device)
    context = run.driver.cuCtxFromGreenCtx(green)["context"]
    same = "the primary handle" if context == primary else "a handle of its own"
    released = run.release(device)
    after = run.state(device)
    run.driver.cuCtxSetCurrent(context)
    work = run.driver.cuMemAlloc_v2(2**20)
    run.driver.cuCtxSetCurrent(None)
    destroyed = run.driver.cuGreenCtxDestroy(green)
    return (f"green context is {same}; our release {released}->{after}; MemAlloc in it {work}; "
            f"destroyed {destroyed}->{run.state(device)}; one release more {run.release(device)}")


@cell("E12", "green-reference-stolen")
def green_stolen(run):
    """The green context's own reference released from outside, then the green context destroyed."""
    device = run.device()
    green = make_green(run, device)
    stolen, last, state = run.release_until_inactive(device, 8)
    destroyed = run.driver.cuGreenCtxDestroy(green)
    return (f"{stolen} releases, last {last}, -> {state}; then cuGreenCtxDestroy {destroyed} "
            f"-> {run.state(device)}")
