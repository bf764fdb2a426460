"""E1: what a child of each kind of parent gets from the driver."""

import functools
import json
import os
import sys

from .cells import Skip, cell, clone_without_handlers
from .driver import UNTOUCHED

BEFORE_INIT = ("cuDriverGetVersion", "cuGetErrorName", "cuDeviceGetCount", "cuDeviceGet",
               "cuDevicePrimaryCtxGetState", "cuCtxGetCurrent", "cuDevicePrimaryCtxRelease",
               "cuDevicePrimaryCtxRelease_v2", "cuCtxSynchronize")
AFTER_INIT = BEFORE_INIT + ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxGetState",
                            "cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxGetState")
ARGUMENTS = {"cuGetErrorName": (201,), "cuDriverGetVersion": (), "cuDeviceGetCount": (),
             "cuCtxGetCurrent": (), "cuCtxSynchronize": ()}


def probe(run):
    """Every call of interest before and after the child's own cuInit, on the first device.

    The answers are grouped by code; a + marks a call that wrote to an out-parameter.
    """
    def all_of(names):
        answers, device = {}, 0
        for name in names:
            default = 0 if name == "cuDeviceGet" else device
            result = run.driver.call(name, ARGUMENTS.get(name, (default,)))
            if name == "cuDeviceGet" and result.ok:
                device = result["device"]
            wrote = "" if all(value == UNTOUCHED for value in result.out.values()) else "+"
            answers.setdefault(str(result), []).append(
                name.removeprefix("cu").removeprefix("DevicePrimaryCtx") + wrote)
        return "; ".join(f"{code}: {' '.join(called)}" for code, called in answers.items())

    before = all_of(BEFORE_INIT)
    started = run.driver.cuInit(0)
    run.note(before_init=before, init=str(started), after_init=all_of(AFTER_INIT))


def nothing(run):
    run.driver


def initialised(run):
    run.device()


def retained(run):
    run.retain(run.device())


def current(run):
    run.driver.cuCtxSetCurrent(run.retain(run.device()))


def failed_init(run):
    run.driver.cuInit(1)


def torch_import(run):
    run.driver
    import torch  # noqa: the import is the experiment


def torch_available(run):
    import torch
    run.note(is_available=torch.cuda.is_available())


def torch_tensor(run):
    import torch
    if not torch.cuda.is_available():
        raise Skip("torch sees no device")
    torch.zeros(1, device="cuda")


def executed(run):
    """fork, then exec of a fresh interpreter that probes."""
    os.environ["CONTRACT_PROCESS"] = "child"
    os.execv(sys.executable, run.command_for("E1/probe"))


PARENTS = {"dlopen-only": nothing, "init": initialised, "retained": retained,
           "retained-and-current": current, "init-flags-1": failed_init,
           "torch-import": torch_import, "torch-is-available": torch_available,
           "torch-tensor": torch_tensor}


def matrix(run, prepare, child=probe, make_child=os.fork):
    prepare(run)
    end = run.in_child("child", lambda: child(run), make_child)
    return f"child {end}; {what_the_child_saw(run)}; {parent_afterwards(run, prepare)}"


def what_the_child_saw(run):
    """The child's own note, read back from the log that it shares with this process."""
    with open(run.log_path, encoding="utf-8") as log:
        notes = [record["note"] for record in map(json.loads, log) if "note" in record]
    seen = [note for note in notes if "init" in note]
    if not seen:
        return f"its last words: {notes[-1] if notes else 'none'}"
    note = seen[-1]
    return (f"before its cuInit [{note['before_init']}]; cuInit {note['init']}; "
            f"after it [{note['after_init']}]")


def parent_afterwards(run, prepare):
    """Whether the child's doings reached the parent."""
    if prepare is nothing:
        return f"parent afterwards: cuInit {run.driver.cuInit(0)}"
    found = run.driver.cuDeviceGet(0)
    device = found["device"] if found.ok else 0
    return f"parent afterwards: state {run.state(device)}, cuCtxSynchronize {run.driver.cuCtxSynchronize()}"


cell("E1", "probe", hidden=True)(probe)
for parent, function in PARENTS.items():
    cell("E1", f"fork-{parent}", needs=("torch",) if "torch" in parent else (),
         timeout=90 if "torch" in parent else 40)(functools.partial(matrix, prepare=function))
for parent in ("dlopen-only", "init", "retained-and-current"):
    cell("E1", f"raw-clone-{parent}", timeout=40)(
        functools.partial(matrix, prepare=PARENTS[parent], make_child=clone_without_handlers))
for parent in ("init", "retained"):
    cell("E1", f"fork-exec-{parent}", timeout=40)(
        functools.partial(matrix, prepare=PARENTS[parent], child=executed))


def retain_and_release(run, releases):
    """A child's own cuInit, one retain, and so many releases."""
    answers = [f"cuInit {run.driver.cuInit(0)}"]
    device = run.driver.cuDeviceGet(0)["device"]
    answers.append(f"retain {run.driver.cuDevicePrimaryCtxRetain(device)}->{run.state(device)}")
    for _ in range(releases):
        # Noted before each release, which may be the last thing that this process does.
        run.note(answers=list(answers))
        answers.append(f"release {run.release(device)}->{run.state(device)}")
    run.note(answers=answers)


def after_somebody_elses_failure(run, releases):
    """The parent's cuInit is refused for its flags; the child uses the driver as if nothing were."""
    failed_init(run)
    end = run.in_child("child", lambda: retain_and_release(run, releases))
    with open(run.log_path, encoding="utf-8") as log:
        notes = [record["note"] for record in map(json.loads, log) if "note" in record]
    answers = [note["answers"] for note in notes if "answers" in note]
    return f"child {end}; before that: {', '.join(answers[-1]) if answers else 'nothing'}"


for title, count in {"as-many-releases": 1, "one-release-more": 2}.items():
    cell("E1", f"fork-init-flags-1-{title}", timeout=40)(
        functools.partial(after_somebody_elses_failure, releases=count))


@cell("E1", "fork-no-visible-device", environment={"CUDA_VISIBLE_DEVICES": ""}, timeout=40)
def no_visible_device(run):
    """The parent's cuInit found nothing; the child asks again."""
    first = run.driver.cuInit(0)
    end = run.in_child("child", lambda: run.note(init=str(run.driver.cuInit(0))))
    with open(run.log_path, encoding="utf-8") as log:
        notes = [record["note"] for record in map(json.loads, log) if "note" in record]
    answers = [note["init"] for note in notes if "init" in note]
    return f"parent cuInit {first}; child {end}; its cuInit {answers[-1] if answers else 'did not return'}"
