#!/usr/bin/env python3
"""Are stray contexts what makes a restore answer "invalid argument"? On two GPUs or more.

    several.py --example PATH --out FOLDER [--seconds 400] [--only NAME,...]

Workers of device 1 (worker.py), with strays on all other devices, with them released, with peer access and
as ranks of an NCCL group, are suspended and resumed: without a map, with one of all GPUs, with one that
lacks a GPU. Writes several-suspended-rows.jsonl and .txt, as measure.py does.
"""

import argparse
import os
import socket
import sys

sys.dont_write_bytecode = True
import driver  # noqa: E402
from harness import Session, Target, codes, processes  # noqa: E402
from measure import describe, machine  # noqa: E402

PROGRAM = "worker.py"
CYCLES = 3


def cycles(session, kind):
    """Suspended and resumed without a map, several times."""
    with Target(kind, program=PROGRAM) as target:
        for _ in range(CYCLES):
            run = session.run(kind, "--cycle", "--pid", target.pid, "--force")
            check = target.check()
            state = processes(run["report"])[0].get("state")
            session.note(kind, check=check, raw_state=driver.state(target.pid))
            session.tell(
                f"{kind:32} no map: codes {codes(run['report'])}, exit {run['status']}, then {state}, "
                f"works {check.get('ok')}; {describe(run['report'])}"
            )


def maps(session, kind, gpus):
    """Restored with a map of all GPUs, then with one that lacks each in turn."""
    everything = [argument for gpu in gpus for argument in ("--map", f"{gpu}={gpu}")]
    with Target(kind, program=PROGRAM) as target:
        session.run(f"{kind}, maps", "--suspend", "--pid", target.pid)
        whole = session.run(f"{kind}, all GPUs", "--resume", "--pid", target.pid, "--force", *everything)
        works, answers = [target.check().get("ok")], []
        for number, gpu in enumerate(gpus):
            if driver.state(target.pid)["state"] == "running":
                session.run(f"{kind}, maps", "--suspend", "--pid", target.pid)
            code = driver.restore(target.pid, [other for other in gpus if other != gpu])
            after = driver.state(target.pid)
            answers.append(f"without GPU {number} {code} {after['state']}")
            session.note(f"{kind}, map lacks a GPU", lacks=number, code=code, after=after)
            last = session.run(f"{kind}, afterwards", "--resume", "--pid", target.pid, "--force")
            works.append(target.check().get("ok"))
        session.tell(
            f"{kind:32} maps: all GPUs {codes(whole['report'])}, {', '.join(answers)}, then without a map "
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
        suspended = session.run(row, "--suspend", *pids)
        resumed = session.run(row, "--resume", *pids, "--force")
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
        session.note(row, states=states, works=works, again=again)
        session.tell(
            f"{row:32} two ranks: suspended {codes(suspended['report'])}, resumed {codes(resumed['report'])}, then "
            f"{[state['state'] for state in states]}, works {works}, restored in another order {again}; "
            f"{describe(suspended['report'])}"
        )
    finally:
        for target in targets:
            target.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--example", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    session = Session(os.path.abspath(options.example), options.out, options.seconds, "several-suspended-rows")
    _, gpus = machine(session)
    if (count := driver.device_count()) < 2:
        session.tell(f"skipped: workers with strays: they need two devices: there is {'one' if count else 'none'}")
        return 0
    endings = ("", "_stray", "_released")
    rows = []
    for library in ("driver", "torch"):
        rows += [(f"{library}{end}", lambda s, kind=f"{library}{end}": cycles(s, kind), 20) for end in endings]
        rows += [(f"{library}{end} maps", lambda s, kind=f"{library}{end}": maps(s, kind, gpus), 20) for end in endings]
    rows.append(("peer", lambda s: cycles(s, "peer"), 20))
    for transport in TRANSPORTS:
        ends = {"P2P": (*endings, "_left"), "sockets": endings}.get(transport, endings[:1])
        for end in ends:
            rows.append((f"nccl{end} {transport}", lambda s, k=f"nccl{end}", t=transport: ranks(s, k, t), 40))
    return 1 if session.rows(rows, options.only) else 0


if __name__ == "__main__":
    sys.exit(main())
