"""A worker of device 1 that is to be suspended: `worker.py KIND`; it results as target.py does.

In those that end in `_stray`, a thread that selected no device touched every other one. In those that end in
`_released`, these contexts were released again. One that ends in `_left` has left its NCCL group and joins another
one for its check.
"""

import ctypes
import os
import sys
import threading

sys.dont_write_bytecode = True
import driver  # noqa: E402
from target import context, memory, serve  # noqa: E402

OWN = int(os.environ.get("RANK", "1"))
LEFT = []


def others():
    return [ordinal for ordinal in range(driver.device_count()) if ordinal != OWN]


def on_thread(action):
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def release_others():
    """Until each is inactive, for more than one library may hold it."""
    for ordinal in others():
        while driver.has_context(ordinal):
            if driver.call("cuDevicePrimaryCtxRelease_v2", driver.device(ordinal)) != 0:
                break


def with_strays(check, touch, ending):
    """The worker's check, after the strays were made and, if the ending says so, released."""
    if ending:
        on_thread(touch)
    if ending == "released":
        release_others()
    return check


def by_the_driver(ending):
    check = memory(0.25, OWN)
    return with_strays(check, lambda: [context(ordinal) for ordinal in others()], ending)


def peer():
    """Device 1's context sees the memory of device 0's."""
    check = memory(0.25, OWN)
    mine = ctypes.c_void_p()
    driver.must("cuCtxGetCurrent", ctypes.byref(mine))
    LEFT.append(context(0))
    driver.must("cuCtxSetCurrent", mine)
    driver.must("cuCtxEnablePeerAccess", LEFT[0], 0)
    return check


def by_torch(ending):
    import torch

    torch.manual_seed(7)
    torch.cuda.set_device(OWN)
    driver.must("cuInit", 0)
    square = torch.randn(1024, 1024, device=f"cuda:{OWN}")

    def product():
        return (square @ square).double().sum().item()

    expected = product()

    def touch():
        LEFT.extend(torch.ones(1, device=f"cuda:{ordinal}") for ordinal in others())
        LEFT.append(torch.empty(1024, pin_memory=True))

    def check():
        again = product()
        return {"ok": again == expected, "before": expected, "after": again}

    return with_strays(check, touch, ending)


def by_nccl(ending):
    """A rank of a group over NCCL; its check is a sum over all of them."""
    import torch
    from torch import distributed

    torch.cuda.set_device(OWN)
    distributed.init_process_group("nccl")
    driver.must("cuInit", 0)

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
    return with_strays(check, lambda: LEFT.extend(torch.ones(1, device=f"cuda:{n}") for n in others()), ending)


KINDS = {"peer": lambda _: peer()}
for name, make in (("driver", by_the_driver), ("torch", by_torch), ("nccl", by_nccl)):
    for ending in ("", "stray", "released"):
        KINDS[f"{name}_{ending}".rstrip("_")] = lambda _, make=make, ending=ending: make(ending)
KINDS["nccl_left"] = lambda _: by_nccl("left")

if __name__ == "__main__":
    serve(KINDS)
