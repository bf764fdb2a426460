"""E4: the primary context is current on a thread, and its last reference is released."""

import functools
import threading

from .cells import Skip, cell

MIB = 2**20


class Dead:
    """A primary context that was current, had memory and a stream, and lost its last reference."""

    def __init__(self, run, kill="release"):
        self.run, self.driver = run, run.driver
        self.device = run.device()
        self.handle = run.retain(self.device)
        self.driver.cuCtxSetCurrent(self.handle)
        self.memory = self.driver.cuMemAlloc_v2(MIB)["address"]
        self.stream = self.driver.cuStreamCreate(0)["stream"]
        self.driver.cuStreamSynchronize(self.stream)
        self.ask_while_alive()
        if kill == "release":
            self.driver.cuDevicePrimaryCtxRelease_v2(self.device)
        else:
            self.driver.cuDevicePrimaryCtxReset_v2(self.device)
        run.state(self.device)

    def ask_while_alive(self):
        """The same questions to the live context, for comparison in the record."""
        self.driver.cuCtxGetDevice()
        self.driver.cuCtxGetFlags()
        self.driver.cuCtxGetApiVersion(self.handle)
        self.driver.cuMemGetInfo_v2()

    def current(self):
        """Which context is current, in a word."""
        now = self.driver.cuCtxGetCurrent()
        if not now.ok:
            return f"error {now}"
        names = {None: "none", self.handle: "the primary", getattr(self, "other", -1): "the other"}
        return names.get(now["context"], "an unknown one")

    def make_other(self):
        """A live context of the same device, made by cuCtxCreate, which leaves it current."""
        made = self.driver.cuCtxCreate_v2(0, self.device)
        if made.code is None:
            made = self.driver.cuCtxCreate_v4(None, 0, self.device)
        if not made.ok:
            raise Skip(f"cuCtxCreate answered {made}")
        self.other = made["context"]
        return self.other


def told(result):
    """A result with its out-parameters."""
    out = ", ".join(f"{key}={hex(value) if isinstance(value, int) and value > 2**32 else value}"
                    for key, value in result.out.items())
    return f"{result}" + (f" ({out})" if out else "")


# Each probe is one call on the dead current context. The name is the cell's.
PROBES = {
    "get-current": lambda d: d.driver.cuCtxGetCurrent(),
    "get-device": lambda d: d.driver.cuCtxGetDevice(),
    "get-device-v2": lambda d: d.driver.cuCtxGetDevice_v2(d.handle),
    "get-flags": lambda d: d.driver.cuCtxGetFlags(),
    "api-version-of-handle": lambda d: d.driver.cuCtxGetApiVersion(d.handle),
    "api-version-of-null": lambda d: d.driver.cuCtxGetApiVersion(None),
    "get-id-of-handle": lambda d: d.driver.cuCtxGetId(d.handle),
    "get-id-of-null": lambda d: d.driver.cuCtxGetId(None),
    "synchronize": lambda d: d.driver.cuCtxSynchronize(),
    "synchronize-v2": lambda d: d.driver.cuCtxSynchronize_v2(d.handle),
    "mem-alloc": lambda d: d.driver.cuMemAlloc_v2(MIB),
    "mem-free-old": lambda d: d.driver.cuMemFree_v2(d.memory),
    "mem-get-info": lambda d: d.driver.cuMemGetInfo_v2(),
    "stream-create": lambda d: d.driver.cuStreamCreate(0),
    "stream-query-old": lambda d: d.driver.cuStreamQuery(d.stream),
    "stream-synchronize-old": lambda d: d.driver.cuStreamSynchronize(d.stream),
    "stream-synchronize-default": lambda d: d.driver.cuStreamSynchronize(None),
    "push-dead": lambda d: d.driver.cuCtxPushCurrent_v2(d.handle),
    "pop": lambda d: d.driver.cuCtxPopCurrent_v2(),
    "set-current-dead": lambda d: d.driver.cuCtxSetCurrent(d.handle),
    "set-current-null": lambda d: d.driver.cuCtxSetCurrent(None),
}
BENIGN = ("get-current", "get-device", "get-device-v2", "get-flags", "api-version-of-handle",
          "synchronize", "mem-alloc", "mem-get-info", "stream-create", "set-current-dead",
          "push-dead", "pop", "pop", "pop")


def probe_one(run, name, kill="release"):
    """The call once on the dead context, then again after a new retain revived it."""
    dead = Dead(run, kill)
    answer = PROBES[name](dead)
    left = f"current afterwards: {dead.current()}, state {run.state(dead.device)}"
    again = run.driver.cuDevicePrimaryCtxRetain(dead.device)
    same = "same" if again["context"] == dead.handle else "another"
    revived = PROBES[name](dead)
    return (f"dead: {told(answer)}; {left}; retain {again} gives the {same} handle, "
            f"then the call answers {told(revived)}, current: {dead.current()}")


for probe in PROBES:
    cell("E4", probe)(functools.partial(probe_one, name=probe))
for probe in ("get-device", "synchronize", "mem-alloc", "get-current"):
    cell("E4", f"after-reset-{probe}")(functools.partial(probe_one, name=probe, kill="reset"))


@cell("E4", "set-current-other")
def set_current_other(run):
    """A live context replaces the dead one on top of the stack, and back again."""
    dead = Dead(run)
    run.driver.cuCtxSetCurrent(None)
    other = dead.make_other()
    run.driver.cuCtxPopCurrent_v2()
    back = run.driver.cuCtxSetCurrent(dead.handle)
    to_dead = dead.current()
    forward = run.driver.cuCtxSetCurrent(other)
    to_other = dead.current()
    work = run.driver.cuMemAlloc_v2(MIB)
    return (f"SetCurrent(dead) {back} -> {to_dead}; SetCurrent(other live) {forward} -> {to_other}; "
            f"MemAlloc there {work}; state {run.state(dead.device)}")


@cell("E4", "stack-order")
def stack_order(run):
    """[other, primary] on one stack; the primary dies on top, is popped."""
    device = run.device()
    dead = Dead.__new__(Dead)
    dead.run, dead.driver, dead.device = run, run.driver, device
    dead.handle = run.retain(device)
    dead.make_other()
    pushed = run.driver.cuCtxPushCurrent_v2(dead.handle)
    run.release(device)
    on_top = dead.current()
    popped = run.driver.cuCtxPopCurrent_v2()
    which = {dead.handle: "the primary", dead.other: "the other"}.get(popped["context"], popped["context"])
    under = dead.current()
    work = run.driver.cuMemAlloc_v2(MIB)
    return (f"push {pushed}; dead on top: {on_top}; pop {popped} gives {which}; under it {under}; "
            f"MemAlloc there {work}")


@cell("E4", "identity")
def identity(run):
    """The same handle with another id after deactivation; ids asked of live contexts only."""
    device = run.device()
    rounds = []
    for _ in range(3):
        handle = run.retain(device)
        rounds.append((handle, run.driver.cuCtxGetId(handle)["id"]))
        run.release(device)
    handles, ids = zip(*rounds)
    return (f"{len(set(handles))} handle in 3 activations; ids {list(ids)}; "
            f"id {'changes' if len(set(ids)) == 3 else 'does not always change'}")


@cell("E4", "old-stack-entry-works-again")
def old_stack_entry(run):
    """Nothing but a new retain: is the strays stack entry valid again, what is left of memory?"""
    dead = Dead(run)
    broken = run.driver.cuMemAlloc_v2(MIB)
    run.retain(dead.device)
    old_memory = run.driver.cuMemFree_v2(dead.memory)
    works = run.driver.cuMemAlloc_v2(MIB)
    synchronized = run.driver.cuCtxSynchronize()
    reused = "the old address" if works["address"] == dead.memory else "another address"
    return (f"MemAlloc dead {broken}, after retain {works} at {reused}, Synchronize {synchronized}, "
            f"freeing memory of the former life {old_memory}, current: {dead.current()}")


@cell("E4", "old-stream-after-revival")
def old_stream(run):
    """A stream of the former life, used in the new one: reported to crash inside libcuda."""
    dead = Dead(run)
    run.retain(dead.device)
    query = run.driver.cuStreamQuery(dead.stream)
    synchronized = run.driver.cuStreamSynchronize(dead.stream)
    return f"after revival: StreamQuery {query}, StreamSynchronize {synchronized}"


@cell("E4", "other-thread")
def other_thread(run):
    """The context is current on a second thread too, and this one releases it."""
    device = run.device()
    handle = run.retain(device)
    ready, released = threading.Event(), threading.Event()
    dead = Dead.__new__(Dead)
    dead.run, dead.driver, dead.device, dead.handle = run, run.driver, device, handle

    def second():
        run.driver.cuCtxSetCurrent(handle)
        dead.memory = run.driver.cuMemAlloc_v2(MIB)["address"]
        ready.set()
        released.wait(10)
        seen = [f"{name} {told(PROBES[name](dead))}" for name in BENIGN]
        return seen + [f"current {dead.current()}"]

    box = {}
    thread = threading.Thread(target=lambda: box.update(seen=second()), name="second")
    thread.start()
    ready.wait(10)
    run.release(device)
    released.set()
    thread.join()
    return "second thread: " + ", ".join(box.get("seen", ["no answer"]))


@cell("E4", "sequence")
def sequence(run):
    """The harmless calls in a row on the thread that released."""
    dead = Dead(run)
    seen = [f"{name} {told(PROBES[name](dead))}" for name in BENIGN]
    return ", ".join(seen) + f"; current {dead.current()}; state {run.state(dead.device)}"


@cell("E4", "never-activated-handle")
def never_current(run):
    """A fresh thread makes the handle of an inactive primary context current."""
    device = run.device()
    handle = run.retain(device)
    run.release(device)

    def fresh():
        first = run.driver.cuCtxSetCurrent(handle)
        return (f"SetCurrent {first}, GetCurrent {told(run.driver.cuCtxGetCurrent())}, "
                f"GetDevice {told(run.driver.cuCtxGetDevice())}, MemAlloc {run.driver.cuMemAlloc_v2(MIB)}")

    return run.on_thread("fresh", fresh) + f"; state {run.state(device)}"
