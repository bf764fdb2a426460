"""Does a stray context make a restore fail? On two GPUs or more.

Workers of device 1 (worker.py), with strays on all other devices, with them released, with peer access and
as ranks of an NCCL group, are suspended and resumed: without a map, with one of all GPUs, with one that
lacks a GPU.
"""

import socket

import driver
from harness import Target, codes, describe, processes

PROGRAM = "worker.py"
CYCLES = 3


def cycles(session, kind):
    """Suspended and resumed without a map, several times."""
    with Target(kind, program=PROGRAM) as target:
        for _ in range(CYCLES):
            run = session.cycle(target.pid)
            check = target.check()
            state = processes(run["report"])[0].get("state")
            session.show(
                f"{kind:32} no map: codes {codes(run['report'])}, exit {run['status']}, then {state}, "
                f"works {check.get('ok')}; {describe(run['report'])}"
            )


def maps(session, kind, gpus):
    """Restored with a map of all GPUs, then with one that lacks each in turn."""
    everything = [argument for gpu in gpus for argument in ("--map", f"{gpu}={gpu}")]
    with Target(kind, program=PROGRAM) as target:
        session.run("--suspend", "--pid", target.pid)
        whole = session.run("--resume", "--pid", target.pid, "--force", *everything)
        works, results = [target.check().get("ok")], []
        for number, gpu in enumerate(gpus):
            if driver.state(target.pid)["state"] == "running":
                session.run("--suspend", "--pid", target.pid)
            code = driver.restore(target.pid, [other for other in gpus if other != gpu])
            after = driver.state(target.pid)
            results.append(f"without GPU {number} {code} {after['state']}")
            last = session.run("--resume", "--pid", target.pid, "--force")
            works.append(target.check().get("ok"))
        session.show(
            f"{kind:32} maps: all GPUs {codes(whole['report'])}, {', '.join(results)}, then without a map "
            f"{codes(last['report'])}; works {works}"
        )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# How the ranks of an NCCL group reach one another; NVLink multicast (NVLS) stays off in all of them.
TRANSPORTS = {
    "P2P": {},
    "P2P, cuMem off": {"NCCL_CUMEM_ENABLE": "0"},
    "shared memory": {"NCCL_P2P_DISABLE": "1"},
    "sockets": {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"},
}


def ranks(session, kind, transport):
    """Two ranks over NCCL, suspended and resumed together."""
    row = f"{kind}, {transport}"
    group = {"NCCL_NVLS_ENABLE": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    targets = []
    try:
        for rank in range(2):
            targets.append(Target(kind, program=PROGRAM, RANK=str(rank), **group, **TRANSPORTS[transport]))
        for target in targets:
            target.stand(60)
        pids = [argument for target in targets for argument in ("--pid", target.pid)]
        suspended = session.suspend(*(target.pid for target in targets))
        resumed = session.run("--resume", *pids, "--force")
        states = [driver.state(target.pid) for target in targets]
        works, again = [], []
        # Asked in vain of one that is not running.
        if all(state["state"] == "running" for state in states):
            for target in targets:
                target.ask()
            works = [target.check(asked=True).get("ok") for target in targets]
        else:
            # The other rank first, in case that one needs the memory of the other.
            again = [driver.step("Restore", target.pid) for target in (*reversed(targets), targets[1])]
        session.show(
            f"{row:32} two ranks: suspended {codes(suspended['report'])}, resumed {codes(resumed['report'])}, then "
            f"{[state['state'] for state in states]}, works {works}, restored in another order {again}; "
            f"{describe(suspended['report'])}"
        )
    finally:
        for target in targets:
            target.kill()


def rows(gpus):
    endings = ("", "_stray", "_released")
    found = []
    for kind in (f"{library}{end}" for library in ("driver", "torch") for end in endings):
        found.append((kind, lambda session, kind=kind: cycles(session, kind), 15))
        found.append((f"{kind} maps", lambda session, kind=kind: maps(session, kind, gpus), 15))
    found.append(("peer", lambda session: cycles(session, "peer"), 15))
    for transport in TRANSPORTS:
        for end in {"P2P": (*endings, "_left"), "sockets": endings}.get(transport, endings[:1]):
            row = f"nccl{end} {transport}"
            found.append((row, lambda s, kind=f"nccl{end}", t=transport: ranks(s, kind, t), 30))
    return found
