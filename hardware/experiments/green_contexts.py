"""E19: the reference that a green context holds, and what a release that takes it leaves behind."""

import functools

from .cells import Skip, cell
from .costs import witness
from .other_contexts import make_green

# Steps in order; each is told with its answer and the state after it. Green contexts are destroyed in
# the order of their creation.
SEQUENCES = {
    "create-destroy": "create destroy release",
    "create-release-destroy": "create release destroy release release",
    "create-release-release-destroy": "create release release destroy",
    "retain-create-release-release-destroy": "retain create release release destroy release",
    "two": "create create destroy destroy release",
    "two-released-twice": "create create release release destroy destroy release",
    "undone-by-a-retain": "create release retain destroy release",
    "repaired-by-retain-and-release": "create release destroy retain release release",
    "repaired-by-a-reset": "create release destroy reset retain release",
}


def used_mib(run):
    """Memory in use on the device, or None where NVML is absent."""
    try:
        return witness().settled_mib()
    except Skip as reason:
        run.note(no_memory=str(reason))
        return None


def sequence(run, steps):
    before = used_mib(run)
    device = run.device()
    greens, told = [], []
    for step in steps.split():
        if step == "create":
            greens.append(make_green(run, device))
            answer = 0
        elif step == "destroy":
            answer = run.driver.cuGreenCtxDestroy(greens.pop(0))
        elif step == "retain":
            answer = run.driver.cuDevicePrimaryCtxRetain(device)
        elif step == "reset":
            answer = run.driver.cuDevicePrimaryCtxReset_v2(device)
        else:
            answer = run.release(device)
        told.append(f"{step} {answer}->{run.state(device)}")
    after = used_mib(run)
    run.note(used_mib_before=before, used_mib_after=after)
    grown = "" if before is None else f"; {round(after - before, 1)} MiB more in use than before cuInit"
    return ", ".join(told) + grown


for title, in_order in SEQUENCES.items():
    cell("E19", title)(functools.partial(sequence, steps=in_order))
