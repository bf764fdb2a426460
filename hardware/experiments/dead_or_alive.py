"""E20: does cuCtxGetApiVersion tell living contexts from dead ones, and does it change anything?"""

from .cells import Skip, cell
from .driver import UNTOUCHED

MIB = 2**20


def version_of(run, handle):
    answer = run.driver.cuCtxGetApiVersion(handle)
    return f"{answer}{'' if answer['version'] == UNTOUCHED else '+'}"


def ordinary(run, device):
    """A context of cuCtxCreate, which leaves it current."""
    made = run.driver.cuCtxCreate_v2(0, device)
    if not made.ok:
        raise Skip(f"cuCtxCreate_v2 answered {made}")
    return made["context"]


def current(run, names):
    handle = run.driver.cuCtxGetCurrent()["context"]
    return {None: "none", **names}.get(handle, "an unknown one")


@cell("E20", "primary")
def primary(run):
    device = run.device()
    handle = run.retain(device)
    alive = version_of(run, handle)
    run.driver.cuCtxSetCurrent(handle)
    alive_current = version_of(run, handle)
    run.release(device)
    dead = version_of(run, handle)
    left = current(run, {handle: "the dead one"})
    run.driver.cuCtxSetCurrent(None)
    dead_not_current = version_of(run, handle)
    state = run.state(device)
    run.retain(device)
    again = version_of(run, handle)
    return (f"alive {alive}, alive and current {alive_current}; dead and current {dead}, current: {left}; "
            f"dead {dead_not_current}, state {state}; retained again {again}")


@cell("E20", "ordinary")
def of_create(run):
    device = run.device()
    handle = ordinary(run, device)
    alive = version_of(run, handle)
    run.driver.cuCtxSetCurrent(None)
    alive_not_current = version_of(run, handle)
    destroyed = run.driver.cuCtxDestroy_v2(handle)
    return (f"alive and current {alive}, alive {alive_not_current}; cuCtxDestroy_v2 {destroyed}; "
            f"destroyed {version_of(run, handle)}; state of the primary {run.state(device)}")


@cell("E20", "ordinary-outlives-primary")
def outlives(run):
    device = run.device()
    first = run.retain(device)
    other = ordinary(run, device)
    same = "the same handle" if first == other else "two handles"
    released = run.release(device)
    state = run.state(device)
    versions = f"primary {version_of(run, first)}, ordinary {version_of(run, other)}"
    now = current(run, {first: "the primary", other: "the ordinary one"})
    work = run.driver.cuMemAlloc_v2(MIB)
    synchronized = run.driver.cuCtxSynchronize()
    return (f"{same}; last release {released}->{state}; {versions}; current: {now}; MemAlloc {work}, "
            f"CtxSynchronize {synchronized}")
