"""New threads on their creator's device, on real GPUs: each program alone and with the library preloaded.

    threads.py CUDA-CONTEXTS [PROGRAM...]

Prints a line a program: on which devices its process holds a context, and what it computed. The results must
be equal. A program whose packages are missing is skipped. Needs two GPUs.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from checkpoint.driver import device_count, devices_with_context

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def in_a_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@program
def torch_thread():
    import torch

    torch.cuda.set_device(1)
    torch.zeros(1, device="cuda")
    where = in_a_thread(lambda: (torch.cuda.current_device(), str(torch.zeros(1, device="cuda").device)))
    return {"thread": where}


@program
def torch_pinned_memory():
    import torch

    torch.cuda.set_device(1)
    torch.zeros(1, device="cuda")
    return {"sum": in_a_thread(lambda: torch.ones(1000).pin_memory().sum().item())}


@program
def torch_thread_selects_device_0():
    import torch

    torch.cuda.set_device(1)
    torch.zeros(1, device="cuda")

    def work():
        torch.cuda.set_device(0)
        return str(torch.zeros(1, device="cuda").device)

    return {"thread": in_a_thread(work)}


@program
def torch_data_parallel():
    import torch

    torch.manual_seed(0)
    model = torch.nn.DataParallel(torch.nn.Linear(64, 8).cuda(0), device_ids=[0, 1])
    loss = model(torch.ones(32, 64, device="cuda:0")).square().sum()
    loss.backward()
    return {"loss": round(loss.item(), 4), "gradient": round(model.module.weight.grad.sum().item(), 4)}


@program
def torch_autograd_on_two_devices():
    import torch

    torch.manual_seed(0)
    first = torch.randn(256, 256, device="cuda:0", requires_grad=True)
    second = torch.randn(256, 256, device="cuda:1", requires_grad=True)
    loss = ((first @ first).to("cuda:1") @ second).square().mean()
    loss.backward()
    return {"gradients": [round(each.grad.sum().item(), 1) for each in (first, second)]}


def rank_of_ddp(rank, port, queue):
    import torch
    import torch.distributed as dist
    from torch.utils.data import DataLoader, TensorDataset

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.cuda.set_device(rank)
    torch.manual_seed(rank)
    dist.init_process_group("nccl", rank=rank, world_size=2, device_id=torch.device("cuda", rank))
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(32, 4).cuda(), device_ids=[rank])
    step = torch.compile(model) if os.environ.get("COMPILE") else model
    data = DataLoader(TensorDataset(torch.randn(64, 32)), batch_size=16, num_workers=2, pin_memory=True)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.01), []
    for (batch,) in data:
        loss = step(batch.cuda(non_blocking=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 5))
    before = devices_with_context()
    with ThreadPoolExecutor(1) as pool:
        where = pool.submit(lambda: str(torch.zeros(1, device="cuda").device)).result()
    queue.put((rank, {"losses": losses, "contexts": before, "pool thread": where, "then": devices_with_context()}))
    dist.destroy_process_group()


@program
def torch_ddp_with_nccl():
    import torch.multiprocessing as multiprocessing

    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    ranks = [context.Process(target=rank_of_ddp, args=(rank, 29511, queue)) for rank in (0, 1)]
    for rank in ranks:
        rank.start()
    results = dict(queue.get() for _ in ranks)
    for rank in ranks:
        rank.join()
    return {"losses": [results[rank].pop("losses") for rank in (0, 1)], "shown": results}


@program
def cupy_threads():
    import cupy

    def work(device):
        with cupy.cuda.Device(device):
            return float(cupy.arange(1000.0).sum())

    with ThreadPoolExecutor(4) as pool:
        return {"sums": list(pool.map(work, [0, 1] * 4))}


@program
def jax_pmap():
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    import jax

    return {"squares": jax.pmap(lambda x: x * x)(jax.numpy.arange(2.0)).tolist()}


@program
def thread_cost():
    """Microseconds for a thread that is created and joined, without Python's part in it."""
    driver, libc = ctypes.CDLL("libcuda.so.1"), ctypes.CDLL(None)
    context, thread = ctypes.c_void_p(), ctypes.c_ulong()
    driver.cuInit(0)
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 1)
    driver.cuCtxSetCurrent(context)
    start = ctypes.cast(libc.getpid, ctypes.c_void_p)
    samples = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(5000):
            libc.pthread_create(ctypes.byref(thread), None, start, None)
            libc.pthread_join(thread, None)
        samples.append((time.perf_counter() - began) / 5000 * 1e6)
    return {"shown": {"us": round(sorted(samples)[2], 2)}}


def run(name, preload):
    environment = dict(os.environ, LD_PRELOAD=preload) if preload else dict(os.environ)
    command = [sys.executable, __file__, "--run", name]
    began = time.monotonic()
    ended = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=240)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or not lines:
        return {"failed": ended.returncode, "said": ended.stderr[-400:]}, 0
    return json.loads(lines[-1]), time.monotonic() - began


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--run":
        try:
            result = PROGRAMS[sys.argv[2]]()
        except ImportError as error:
            result = {"skipped": str(error)}
        print(json.dumps({"contexts": devices_with_context(), **result}))
        return
    if device_count() < 2:
        print("skipped: threads: there is one GPU only")
        return
    preload = [sys.argv[1], "run", "--print-preload"]
    library, differences = subprocess.run(preload, capture_output=True, text=True, check=True).stdout.strip(), 0
    for name in sys.argv[2:] or PROGRAMS:
        (alone, seconds), (kept, kept_seconds) = run(name, None), run(name, library)
        if "skipped" in alone:
            print(f"skipped: {name}: {alone['skipped']}")
            continue
        results = [{key: value for key, value in each.items() if key not in ("contexts", "shown", "thread", "threads")}
                   for each in (alone, kept)]
        same = results[0] == results[1] and "failed" not in alone
        differences += not same
        print(f"{name}: {'same results' if same else 'DIFFERENT'}, {seconds:.1f} s and {kept_seconds:.1f} s")
        print(f"    without  {json.dumps(alone)}\n    with     {json.dumps(kept)}", flush=True)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
