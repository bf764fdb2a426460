"""E2: how retains and releases count, with both versions of release."""

import functools

from .cells import cell

RELEASES = {
    "v2": ("cuDevicePrimaryCtxRelease_v2",),
    "v1": ("cuDevicePrimaryCtxRelease",),
    "v1-then-v2": ("cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRelease_v2"),
    "v2-then-v1": ("cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease"),
}


def count(run, releases, retains):
    device = run.device()
    states = [run.state(device)]
    handles = set()
    for _ in range(retains):
        handles.add(run.retain(device))
        states.append(run.state(device))
    answers = []
    for number in range(retains + 2):
        name = releases[number % len(releases)]
        answers.append(f"{run.driver.call(name, (device,))}->{run.state(device)}")
    # Did the surplus releases push the count below zero? One retain must activate, one release end it.
    again = run.driver.cuDevicePrimaryCtxRetain(device)
    after_retain = run.state(device)
    last = run.release(device)
    return (f"states {' '.join(states)}; {len(handles)} handle; releases {' '.join(answers)}; "
            f"then retain {again}->{after_retain}, release_v2 {last}->{run.state(device)}")


for variant, names in RELEASES.items():
    for retained in range(5) if len(names) == 1 else (0, 3):
        cell("E2", f"{variant}-n{retained}")(functools.partial(count, releases=names, retains=retained))
