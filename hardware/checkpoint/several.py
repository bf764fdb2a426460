"""Does a stray context make a restore fail? On two GPUs or more.

Workers of device 1 (workers.py), with strays on all other devices, with them released, with peer access and
as ranks of an NCCL group, are suspended and resumed: without a map, one also with a map of all GPUs.
"""

import driver
from harness import Target, ranks, work_together

from .example import codes, cycle_line, describe

CYCLES = 3


def cycles(example, kind):
    """Suspended and resumed without a map, several times."""
    with Target(kind) as target:
        for _ in range(CYCLES):
            yield f"no map: {cycle_line(example, target)}"


def map_of_all(example, gpus):
    """Restored with a map in which every GPU stays what it is."""
    pairs = [argument for gpu in gpus for argument in ("--map", f"{gpu}={gpu}")]
    with Target("driver_stray") as target:
        yield cycle_line(example, target, pairs)


# How the ranks of an NCCL group reach one another.
TRANSPORTS = {
    "P2P": {},
    "P2P, cuMem off": {"NCCL_CUMEM_ENABLE": "0"},
    "shared memory": {"NCCL_P2P_DISABLE": "1"},
    "sockets": {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"},
}


def group(example, kind, transport):
    """Two ranks over NCCL, suspended and resumed together."""
    with ranks(kind, 2, **TRANSPORTS[transport]) as targets:
        pids = [target.pid for target in targets]
        suspended = example.suspend(*pids)
        resumed = example.resume(*pids)
        states = [driver.state(pid)["state"] for pid in pids]
        works, again = [], []
        # Asked in vain of one that is not running.
        if states == ["running", "running"]:
            works = [result.get("ok") for result in work_together(targets)]
        else:
            # The other rank first, in case that one needs the memory of the other.
            again = [driver.step("Restore", pid) for pid in (pids[1], pids[0], pids[1])]
        yield (f"suspended {codes(suspended)}, resumed {codes(resumed)}, then {states}, works {works}, "
               f"restored in another order {again}; {describe(suspended)}")


def rows(example, gpus):
    endings = ("", "_stray", "_released")
    found = []
    for kind in (f"{library}{end}" for library in ("driver", "torch") for end in endings):
        found.append((kind, 15, lambda kind=kind: cycles(example, kind)))
    found.append(("map of all GPUs", 15, lambda: map_of_all(example, gpus)))
    found.append(("peer", 15, lambda: cycles(example, "peer")))
    for transport in TRANSPORTS:
        for end in {"P2P": (*endings, "_left"), "sockets": endings}.get(transport, endings[:1]):
            row = f"nccl{end}, {transport}"
            found.append((row, 30, lambda kind=f"nccl{end}", t=transport: group(example, kind, t)))
    return found
