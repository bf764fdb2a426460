"""E5: resets and the count. E10: flags before, while and after the context is active."""

import ctypes
import functools

from .cells import cell

BLOCKING, YIELD, SPIN, UNKNOWN = 4, 2, 1, 0xFFFFFFFF
RESET = {"v1": "cuDevicePrimaryCtxReset", "v2": "cuDevicePrimaryCtxReset_v2"}
SET_FLAGS = {"v1": "cuDevicePrimaryCtxSetFlags", "v2": "cuDevicePrimaryCtxSetFlags_v2"}


def releases_until_refused(run, device, bound):
    """Releases until one is refused: how many references were counted."""
    answers = []
    while len(answers) < bound:
        result = run.release(device)
        answers.append(f"{result}->{run.state(device)}")
        if not result.ok:
            break
    return " ".join(answers)


def reset(run, version, retains, retain_after=False, make_current=False):
    device = run.device()
    run.driver.cuDevicePrimaryCtxSetFlags_v2(device, BLOCKING)
    for _ in range(retains):
        handle = run.retain(device)
    if make_current:
        run.driver.cuCtxSetCurrent(handle)
    before = run.state(device)
    answer = run.driver.call(RESET[version], (device,))
    after = run.state(device)
    extra = ""
    if retain_after:
        again = run.driver.cuDevicePrimaryCtxRetain(device)
        extra = (f"; retain {again}->{run.state(device)} "
                 f"{'same' if again['context'] == handle else 'another'} handle")
    if make_current:
        extra += (f"; GetCurrent {run.driver.cuCtxGetCurrent()}, GetDevice {run.driver.cuCtxGetDevice()}, "
                  f"Synchronize {run.driver.cuCtxSynchronize()}")
    counted = releases_until_refused(run, device, retains + 3)
    return f"{before}, reset {answer}->{after}{extra}; releases {counted}"


for kind in RESET:
    for count in (0, 1, 2):
        cell("E5", f"{kind}-refs{count}")(functools.partial(reset, version=kind, retains=count))
    cell("E5", f"{kind}-refs1-then-retain")(
        functools.partial(reset, version=kind, retains=1, retain_after=True))
    cell("E5", f"{kind}-refs1-current")(
        functools.partial(reset, version=kind, retains=1, make_current=True))


def flags(run, version):
    device, seen = run.device(), []

    def look(what):
        seen.append(f"{what} {run.state(device)}")

    def set_to(value, when):
        look(f"SetFlags({value}) {when}: {run.driver.call(SET_FLAGS[version], (device, value))} ->")

    look("untouched")
    set_to(BLOCKING, "while inactive")
    handle = run.retain(device)
    look("retained")
    run.driver.cuCtxSetCurrent(handle)
    seen.append(f"cuCtxGetFlags {run.driver.cuCtxGetFlags()['flags']}")
    set_to(YIELD, "while active")
    seen.append(f"cuCtxGetFlags {run.driver.cuCtxGetFlags()['flags']}")
    set_to(YIELD, "again, the same")
    set_to(UNKNOWN, "while active")
    run.release(device)
    look("released to zero")
    set_to(SPIN, "after")
    handle = run.retain(device)
    look("retained again")
    seen.append(f"cuCtxGetFlags {run.driver.cuCtxGetFlags()['flags']}")
    run.release(device)
    look("released again")
    set_to(0, "back to default")
    return "; ".join(seen)


for kind in SET_FLAGS:
    cell("E10", f"set-flags-{kind}")(functools.partial(flags, version=kind))


@cell("E10", "flags-survive-reset")
def survive_reset(run):
    device = run.device()
    run.driver.cuDevicePrimaryCtxSetFlags_v2(device, BLOCKING)
    run.retain(device)
    active = run.state(device)
    run.driver.cuDevicePrimaryCtxReset_v2(device)
    after = run.state(device)
    run.release(device)
    return f"active {active}; after reset {after}; after release {run.state(device)}"


@cell("E10", "null-outputs")
def null_outputs(run):
    """GetState with NULL for either output; Retain with NULL."""
    device = run.device()
    state, retain = run.driver.raw("cuDevicePrimaryCtxGetState"), run.driver.raw("cuDevicePrimaryCtxRetain")
    value = ctypes.c_int()
    place = ctypes.addressof(value)
    answers = {}
    for name, call in (("flags NULL", lambda: state(device, None, place)),
                       ("active NULL", lambda: state(device, place, None)),
                       ("both NULL", lambda: state(device, None, None)),
                       ("retain NULL", lambda: retain(None, device))):
        run.about_to_call(name)
        answers[name] = call()
        run.note(call=name, code=answers[name])
    run.about_to_call("")
    return f"{answers}; state {run.state(device)}"


@cell("E10", "bad-device")
def bad_device(run):
    """Every primary-context call with ordinals that do not exist."""
    run.device()
    answers = []
    for number in (-1, 999):
        for name, more in (("cuDevicePrimaryCtxRetain", ()), ("cuDevicePrimaryCtxRelease", ()),
                           ("cuDevicePrimaryCtxRelease_v2", ()), ("cuDevicePrimaryCtxReset_v2", ()),
                           ("cuDevicePrimaryCtxSetFlags_v2", (0,)), ("cuDevicePrimaryCtxGetState", ()),
                           ("cuDeviceGet", ())):
            answers.append(f"{name.removeprefix('cuDevicePrimaryCtx')}({number}) "
                           f"{run.driver.call(name, (number, *more))}")
    return ", ".join(answers)
