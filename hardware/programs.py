"""Programs that compare.py runs alone, traced, and with their threads kept on their device: `programs.py NAME`.

Prints one object: what was computed, and "contexts", the devices on which the process holds one at its end. A value
called "thread" is the place where a thread worked, and one called "shown" differs between runs.
"""

import ctypes
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import driver

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def with_two_devices(function):
    def run():
        if driver.device_count() < 2:
            raise ImportError("it needs two devices: there is one")
        return function()

    PROGRAMS[function.__name__] = run
    return run


@program
def torch_matmul():
    """Brings in cuBLAS."""
    import torch

    matrix = torch.ones(64, 64, device="cuda")
    return {"sum": (matrix @ matrix).sum().item()}


@program
def torch_profiler():
    """torch.profiler, which uses CUPTI as its one subscriber, still sees the kernels."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    matrix = torch.ones(64, 64, device="cuda")
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        (matrix @ matrix).sum().item()
        torch.cuda.synchronize()
    kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return {"kernels seen": len(kernels) > 0}


def spawned(rank, sums):
    import torch

    sums[rank] = torch.ones(8, device="cuda").sum().item()


@program
def torch_spawn():
    """Two processes, each with a context of its own."""
    import torch.multiprocessing as multiprocessing

    sums = multiprocessing.get_context("spawn").Array("d", 2)
    multiprocessing.spawn(spawned, (sums,), nprocs=2)
    return {"sums": list(sums)}


@program
def triton_kernel():
    import torch
    import triton
    from triton import language

    # Triton reads the source of a kernel, and its names from the module.
    globals().update(triton=triton, language=language)
    numbers = torch.zeros(32, device="cuda")
    triton.jit(increment)[(1,)](numbers, 32)
    return {"sum": numbers.sum().item()}


def increment(numbers, count: "language.constexpr"):
    places = numbers + language.arange(0, count)
    language.store(places, language.load(places) + 1)


@program
def cupy_sum():
    import cupy

    return {"sum": float((cupy.arange(8.0) + 1).sum())}


@program
def jax_sum():
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    import jax

    ones = jax.numpy.ones((64, 64))
    return {"backend": jax.default_backend(), "sum": float(ones.dot(ones).sum())}


@program
def torch_import():
    """An import that makes no context."""
    import torch

    return {"CUDA": bool(torch.version.cuda)}


def in_a_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@program
def torch_thread():
    """A thread that selects no device, of a process that uses the last one."""
    import torch

    torch.cuda.set_device(torch.cuda.device_count() - 1)
    torch.zeros(1, device="cuda")
    where = in_a_thread(lambda: (torch.cuda.current_device(), str(torch.zeros(1, device="cuda").device)))
    return {"thread": where}


@with_two_devices
def torch_pinned_memory():
    import torch

    torch.cuda.set_device(1)
    torch.zeros(1, device="cuda")
    return {"sum": in_a_thread(lambda: torch.ones(1000).pin_memory().sum().item())}


@with_two_devices
def torch_thread_selects_device_0():
    import torch

    torch.cuda.set_device(1)
    torch.zeros(1, device="cuda")

    def work():
        torch.cuda.set_device(0)
        return str(torch.zeros(1, device="cuda").device)

    return {"thread": in_a_thread(work)}


@with_two_devices
def torch_data_parallel():
    import torch

    torch.manual_seed(0)
    model = torch.nn.DataParallel(torch.nn.Linear(64, 8).cuda(0), device_ids=[0, 1])
    loss = model(torch.ones(32, 64, device="cuda:0")).square().sum()
    loss.backward()
    return {"loss": round(loss.item(), 4), "gradient": round(model.module.weight.grad.sum().item(), 4)}


@with_two_devices
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
    data = DataLoader(TensorDataset(torch.randn(64, 32)), batch_size=16, num_workers=2, pin_memory=True)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.01), []
    for (batch,) in data:
        loss = model(batch.cuda(non_blocking=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 5))
    before = driver.devices_with_context()
    with ThreadPoolExecutor(1) as pool:
        where = pool.submit(lambda: str(torch.zeros(1, device="cuda").device)).result()
    then = driver.devices_with_context()
    queue.put((rank, {"losses": losses, "contexts": before, "pool thread": where, "then": then}))
    dist.destroy_process_group()


@with_two_devices
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


@with_two_devices
def cupy_threads():
    import cupy

    def work(device):
        with cupy.cuda.Device(device):
            return float(cupy.arange(1000.0).sum())

    with ThreadPoolExecutor(4) as pool:
        return {"sums": list(pool.map(work, [0, 1] * 4))}


@with_two_devices
def jax_pmap():
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    import jax

    return {"squares": jax.pmap(lambda x: x * x)(jax.numpy.arange(2.0)).tolist()}


@with_two_devices
def thread_cost():
    """Microseconds for a thread that is created and joined, without Python's part in it."""
    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    driver.must("cuInit", 0)
    driver.must("cuCtxSetCurrent", driver.retain(1))
    start = ctypes.cast(libc.getpid, ctypes.c_void_p)
    samples = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(5000):
            libc.pthread_create(ctypes.byref(thread), None, start, None)
            libc.pthread_join(thread, None)
        samples.append((time.perf_counter() - began) / 5000 * 1e6)
    return {"shown": {"us": round(sorted(samples)[2], 2)}}


def main():
    try:
        result = PROGRAMS[sys.argv[1]]()
    except (ImportError, NotImplementedError) as missing:
        sys.exit(f"{type(missing).__name__}: {missing}")
    print(json.dumps({**result, "contexts": driver.devices_with_context()}))


if __name__ == "__main__":
    main()
