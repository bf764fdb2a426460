"""E16: NCCL communicators alive between two processes, then contexts of one process are released."""

import functools
import os
import socket
import subprocess
import time

from .cells import cell, ended

LIMIT = 40


def collective(torch, distributed, rank):
    """A sum over all ranks; whether it is right."""
    tensor = torch.full((1 << 20,), float(rank + 1), device=f"cuda:{rank}")
    distributed.all_reduce(tensor)
    torch.cuda.synchronize(rank)
    world = distributed.get_world_size()
    return bool((tensor == world * (world + 1) / 2).all())


@cell("E16", "rank", hidden=True, timeout=LIMIT)
def rank(run):
    """One rank: a stray on every other device, a communicator, a release, the collective again."""
    import torch
    from torch import distributed
    own, what = int(os.environ["RANK"]), os.environ["CONTRACT_RELEASE"]
    torch.cuda.set_device(own)
    distributed.init_process_group("nccl")
    run.on_thread(lambda: [torch.ones(1, device=f"cuda:{other}")
                           for other in range(torch.cuda.device_count()) if other != own])
    before = collective(torch, distributed, own)
    devices = run.devices()
    results = [f"sum right {before}", run.states(devices)]
    for ordinal, device in enumerate(devices):
        if what == "strays" and ordinal != own or what == "own" and ordinal == own == 1:
            done, last, state = run.release_until_inactive(device)
            results.append(f"{ordinal}: {done} releases, last {last} -> {state}")
    if what == "strays":
        distributed.barrier()
    run.about_to("all_reduce")
    try:
        results.append(f"sum right again {collective(torch, distributed, own)}")
    except BaseException as error:
        results.append(f"all_reduce raised {type(error).__name__}: {str(error).strip().splitlines()[0][:160]}")
    print(f"rank {own}: {'; '.join(results)}", flush=True)
    os._exit(0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ranks(run, release):
    """As many ranks as devices, each of them a process; what each said, and how it ended."""
    count = len(run.devices())
    environment = {**os.environ, "NCCL_NVLS_ENABLE": "0", "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(free_port()), "CONTRACT_RELEASE": release}
    started = [subprocess.Popen(run.command_for("E16/rank"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env={**environment, "RANK": str(number)})
               for number in range(count)]
    said, end = [], time.monotonic() + LIMIT
    for number, process in enumerate(started):
        try:
            output, _ = process.communicate(timeout=max(1, end - time.monotonic()))
            how = ended(process.returncode)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            how = "hung, was killed"
        lines = output.splitlines()
        words = [line for line in lines if line.startswith(f"rank {number}: ")]
        said.append(f"{words[-1] if words else f'rank {number} said nothing'}; {how}")
    return " | ".join(said)


for what_goes in ("nothing", "strays", "own"):
    cell("E16", f"nccl-{what_goes}-released", needs=("torch",), timeout=LIMIT * 2)(
        functools.partial(ranks, release=what_goes))
