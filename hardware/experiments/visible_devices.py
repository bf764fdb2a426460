"""E17: which ordinal is which GPU, under CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER."""

import json
import os
import subprocess

from .cells import cell
from .strays import uuid_of


@cell("E17", "enumerate", hidden=True)
def enumerate_devices(run):
    """What a process of this environment sees, as a line of JSON."""
    init = run.driver.cuInit(0)
    count = run.driver.cuDeviceGetCount()
    seen = []
    if init.ok and count.ok:
        for ordinal in range(count["count"]):
            device = run.driver.cuDeviceGet(ordinal)["device"]
            seen.append((uuid_of(run, device), run.driver.cuDeviceGetPCIBusId(32, device)["text"]))
    # Too late: the driver has read it.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    later = run.driver.cuDeviceGetCount()
    return json.dumps({"init": str(init), "seen": seen, "later": later["count"] if later.ok else str(later)})


def see(run, **variables):
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
    process = subprocess.run(run.command_for("E17/enumerate"), env={**environment, **variables},
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, text=True)
    return json.loads(process.stdout.splitlines()[-1].removeprefix("summary: "))


@cell("E17", "order", timeout=300)
def order(run):
    """Each way to name devices: which of the machine's it gives, by their place in its own order."""
    run.devices()
    machine = [uuid for uuid, _ in see(run)["seen"]]
    count, lines = len(machine), []

    def compare(name, expected, **variables):
        result = see(run, **variables)
        places = [machine.index(uuid) if uuid in machine else uuid for uuid, _ in result["seen"]]
        verdict = "" if expected is None else " as expected" if places == expected else f" NOT {expected}"
        lines.append(f"{name} {result['init']} {places}{verdict}, later {result['later']}")

    backwards = list(reversed(range(count)))
    compare("reversed", backwards, CUDA_VISIBLE_DEVICES=",".join(map(str, backwards)))
    compare("by UUID, reversed", backwards, CUDA_VISIBLE_DEVICES=",".join(reversed(machine)))
    compare("the last by a prefix", [count - 1], CUDA_VISIBLE_DEVICES=machine[-1][:12])
    compare("one that is not there in the middle", [0], CUDA_VISIBLE_DEVICES="0,99,1")
    compare("twice the same", None, CUDA_VISIBLE_DEVICES="1,1")
    compare("empty", [], CUDA_VISIBLE_DEVICES="")
    compare("none", [], CUDA_VISIBLE_DEVICES="-1")
    for name in ("FASTEST_FIRST", "PCI_BUS_ID"):
        result = see(run, CUDA_DEVICE_ORDER=name)
        places = [machine.index(uuid) for uuid, _ in result["seen"]]
        sorted_by_bus = [bus for _, bus in result["seen"]] == sorted(bus for _, bus in result["seen"])
        lines.append(f"{name} {places}, in the order of the bus: {sorted_by_bus}")
    return f"{count} devices; " + "; ".join(lines)
