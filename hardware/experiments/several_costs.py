"""E23: what the number of devices costs: cuInit, first retains and last releases, the state of each, the crate."""

import functools

from .cells import Skip, cell
from .loops import Loops


def costs(run, number):
    init = run.driver.cuInit(0)
    devices = run.devices(number)
    if len(devices) != number:
        raise Skip(f"it needs {number} visible devices: there are {len(devices)}")
    retained = [run.driver.cuDevicePrimaryCtxRetain(device) for device in devices]
    released = [run.release(device) for device in devices]
    times = {name: [f"{result.milliseconds:.1f}" for result in results]
             for name, results in (("retain", retained), ("release", released))}
    states = [Loops(run).state(device) for device in devices]
    how, lines = run.start([run.program("several_gpus"), "costs"], 50)
    return (f"cuInit {init.milliseconds:.1f} ms; ms {times}; GetState of an inactive device {states}; "
            f"the crate: {how}; {'; '.join(lines)}")


for several in (1, 2, 4, 8):
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(several)))}
    cell("E23", f"devices-{several}", timeout=60, environment=visible)(functools.partial(costs, number=several))
