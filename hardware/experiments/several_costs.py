"""E23: what the number of devices costs: cuInit, first retains and last releases."""

import functools

from .cells import Skip, cell


def costs(run, number):
    init = run.driver.cuInit(0)
    devices = run.devices(number)
    if len(devices) != number:
        raise Skip(f"it needs {number} visible devices: there are {len(devices)}")
    retained = [run.driver.cuDevicePrimaryCtxRetain(device) for device in devices]
    released = [run.release(device) for device in devices]
    times = {name: [f"{result.milliseconds:.1f}" for result in results]
             for name, results in (("retain", retained), ("release", released))}
    return f"cuInit {init.milliseconds:.1f} ms; ms {times}"


for several in (1, 2, 4, 8):
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(several)))}
    cell("E23", f"devices-{several}", timeout=60, environment=visible)(functools.partial(costs, number=several))
