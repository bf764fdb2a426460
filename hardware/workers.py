"""Kinds of workers: of device 1 or of the device of their rank, and of PyTorch; target.py starts one.

In those that end in `_stray`, a thread that selected no device touched every other one. In those that end in
`_released`, these contexts were released again. One that ends in `_left` has left its NCCL group and joins another
one for its check.
"""

import ctypes
import functools
import gc
import os
import threading
import time

import driver
from kinds import context, memory

OWN = int(os.environ.get("RANK", "1"))
LEFT = []


def others():
    count = driver.device_count()
    if count < 2:
        raise NotImplementedError("it needs two devices: there is one")
    return [ordinal for ordinal in range(count) if ordinal != OWN]


def on_thread(action):
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def release_others():
    return {"released": {ordinal: driver.release_until_inactive(ordinal) for ordinal in others()}}


def loop():
    """The loop of vLLM pull request 42874: one release of whatever is active and not the worker's device."""
    released = {}
    for ordinal in others():
        if driver.primary_state(ordinal).startswith("1/"):
            released[ordinal] = f"{driver.release(ordinal)} -> {driver.primary_state(ordinal)}"
    return {"released": released}


def python_package():
    import cuda_primary_context

    began = time.perf_counter()
    guard = cuda_primary_context.retain_only(OWN)
    took = time.perf_counter() - began
    LEFT.append(guard)
    outcomes = {device.ordinal: device.outcome for device in guard.report.devices}
    return {"released": outcomes, "milliseconds": round(took * 1e3, 1)}


def worker(check, touch, ending):
    """The worker's commands, after the strays were made and, if the ending says so, released."""
    if ending:
        on_thread(touch)
    if ending == "released":
        release_others()
    return {
        "check": check,
        "states": lambda: {"states": [driver.primary_state(ordinal) for ordinal in range(driver.device_count())]},
        "loop": loop,
        "python": python_package,
        "release others": release_others,
        "release own": lambda: {"released": {OWN: driver.release_until_inactive(OWN)}},
    }


def by_the_driver(ending):
    there = others()
    check = memory(0.25, OWN)

    def touch():
        for ordinal in there:
            context(ordinal)
            # The simulator does not model this call: it returns CUDA_ERROR_NOT_SUPPORTED (801).
            driver.call("cuMemAllocHost_v2", ctypes.byref(ctypes.c_void_p()), ctypes.c_size_t(1 << 20))

    return worker(check, touch, ending)


def peer():
    """Device 1's context sees the memory of device 0's."""
    check = memory(0.25, OWN)
    mine = ctypes.c_void_p()
    driver.must("cuCtxGetCurrent", ctypes.byref(mine))
    LEFT.append(context(0))
    driver.must("cuCtxSetCurrent", mine)
    driver.must("cuCtxEnablePeerAccess", LEFT[0], 0)
    return check


def products(device):
    """The module, and a check that a product on this device is what it was."""
    import torch

    torch.manual_seed(7)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.cuda.set_device(device)
    square = torch.randn(1024, 1024, device="cuda")

    def product():
        return (square @ square).double().sum().item()

    expected = product()

    def check():
        again = product()
        return {"ok": again == expected, "before": expected, "after": again}

    return torch, check


def by_torch(ending):
    torch, check = products(OWN)
    there = others()

    def touch():
        LEFT.extend(torch.ones(1, device=f"cuda:{ordinal}") for ordinal in there)
        LEFT.append(torch.empty(1024, pin_memory=True))

    return worker(check, touch, ending)


def by_nccl(ending):
    """A rank of a group over NCCL; its check is a sum over all of them."""
    import torch
    from torch import distributed

    torch.cuda.set_device(OWN)
    distributed.init_process_group("nccl")
    there = others()

    def check():
        if not distributed.is_initialized():
            # The first group's store may still have its port.
            os.environ["MASTER_PORT"] = str(int(os.environ["MASTER_PORT"]) + 1)
            distributed.init_process_group("nccl")
        tensor = torch.full((1 << 20,), float(OWN + 1), device=f"cuda:{OWN}")
        distributed.all_reduce(tensor)
        world = distributed.get_world_size()
        return bool((tensor == world * (world + 1) / 2).all())

    check()
    if ending == "left":
        distributed.destroy_process_group()
        return check
    return worker(check, lambda: LEFT.extend(torch.ones(1, device=f"cuda:{n}") for n in there), ending)


class Objects:
    """E3: live objects of PyTorch, made before other code releases PyTorch's references."""

    def __init__(self, own_references=0):
        import torch

        driver.must("cuInit", 0)
        for _ in range(int(own_references)):
            driver.retain()
        self.torch = torch
        self.tensor = torch.ones(1024, device="cuda")
        self.square = torch.ones(64, 64, device="cuda")
        self.product = self.square @ self.square
        self.stream, self.event = torch.cuda.Stream(), torch.cuda.Event()
        self.event.record(self.stream)
        torch.cuda.synchronize()

    def free(self):
        self.tensor = self.square = self.product = self.stream = self.event = None
        gc.collect()

    def empty_cache(self):
        self.free()
        self.torch.cuda.empty_cache()

    def commands(self):
        uses = {
            "nothing": lambda: None,
            "live-tensor-to-host": lambda: self.tensor.cpu().sum().item(),
            "fresh-tensor": lambda: self.torch.ones(16, device="cuda").sum().item(),
            "matmul": lambda: (self.square @ self.square).sum().item(),
            "stream-synchronize": lambda: self.stream.synchronize(),
            "new-stream": lambda: self.torch.cuda.Stream().synchronize(),
            "empty-cache": self.empty_cache,
            "release": driver.release,
            "release all": driver.release_until_inactive,
            "retain": lambda: bool(driver.retain()),
            "free": self.free,
        }
        return {name: functools.partial(attempt, use) for name, use in uses.items()}


def attempt(use):
    """The value of a use, or its exception's first line; and the state of the context."""
    try:
        result = f"gives {use()}"
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        result = f"raises {type(error).__name__}: {lines[0][:140]}"
    return {"result": f"{result} -> {driver.primary_state(0)}"}


WORKERS = {
    "peer": peer,
    "torch_alone": lambda: products(0)[1],
    "torch_objects": lambda own_references=0: Objects(own_references).commands(),
    "nccl_left": lambda: by_nccl("left"),
}
for name, make in (("driver", by_the_driver), ("torch", by_torch), ("nccl", by_nccl)):
    for ending in ("", "stray", "released"):
        WORKERS[f"{name}_{ending}".rstrip("_")] = functools.partial(make, ending)
