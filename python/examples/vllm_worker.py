"""The worker of an inference server that lets go of other devices' contexts, in one line.

vLLM pull request 42874 adds a function of this name to a worker (`vllm/v1/worker/gpu_worker.py`), to be
called in `Worker.init_device` once the device is set. This is that function with this package, in a worker
that is cut down to what matters, and the pull request's test: a worker touches every device, keeps its own.

    python vllm_worker.py --workers 8 --start spawn

runs one worker for each device and prints what each has left. With `--start fork --touch-first`, CUDA is
touched before the workers are forked: then none of them can use a device at all, and this says so.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import sys
from typing import Any, Dict, List

import cuda_primary_context as cpc


def _release_stale_cuda_primary_contexts(local_rank: int) -> cpc.Report:
    """Releases the contexts that this worker has on devices that are not its own."""
    return cpc.release_strays(keep=[local_rank])


class Worker:
    """As vLLM's, as far as its device is concerned."""

    def __init__(self, local_rank: int) -> None:
        self.local_rank = local_rank

    def init_device(self) -> cpc.Report:
        set_device(self.local_rank)
        return _release_stale_cuda_primary_contexts(self.local_rank)


def set_device(ordinal: int) -> None:
    """What `torch.cuda.set_device` and the first tensor come to: a reference on the device's context, which
    is made current. By the driver's own functions, so that this needs no PyTorch, and with nobody looking at
    their answers, as many a helper does."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(), ctypes.c_void_p()
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(device), ordinal)
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    driver.cuCtxSetCurrent(context)


def start(local_rank: int, devices: int) -> Dict[str, Any]:
    """One worker: something in it looks at every device before its own is set."""
    for ordinal in range(devices):
        set_device(ordinal)
    try:
        report = Worker(local_rank).init_device()
    except cpc.Error as error:
        return {"worker": local_rank, "error": type(error).__name__, "message": str(error)}
    left = [context.ordinal for context in cpc.contexts() if context.active]
    outcomes = [device.outcome for device in report.devices]
    return {"worker": local_rank, "outcomes": outcomes, "left": left}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, help="how many, one for each device")
    parser.add_argument("--start", choices=["spawn", "fork"], default="spawn")
    parser.add_argument("--touch-first", action="store_true", help="use CUDA before the workers start")
    options = parser.parse_args()
    if options.touch_first:
        set_device(0)
    context = multiprocessing.get_context(options.start)
    every = range(options.workers)
    with context.Pool(options.workers, maxtasksperchild=1) as pool:
        waiting = [pool.apply_async(start, (rank, options.workers)) for rank in every]
        found: List[Dict[str, Any]] = [each.get() for each in waiting]
    for each in found:
        print(json.dumps(each))
    return 1 if any("error" in each for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
