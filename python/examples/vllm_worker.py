"""The worker of an inference server that releases its strays, in one line.

vLLM pull request 42874 adds a function of this name to a worker (`vllm/v1/worker/gpu_worker.py`), which
`Worker.init_device` calls once the device is set. This is that function with this package, and the pull request's
test: each worker touches every device and keeps its own.

    python vllm_worker.py --workers 8 --start spawn

runs a worker for each device and prints which contexts each has left. With `--start fork --touch-first`, CUDA is
initialised before the workers are forked: then no worker can use a device, and each prints that error.
"""

import argparse
import ctypes
import json
import multiprocessing
import sys
from functools import partial
from typing import Any, Dict

import cuda_primary_context as cpc


def _release_stale_cuda_primary_contexts(local_rank: int) -> cpc.Report:
    """Releases the contexts that this worker has on devices that are not its own."""
    return cpc.release_strays(keep=[local_rank])


def set_device(ordinal: int) -> None:
    """Retains the device's context and makes it current, as `torch.cuda.set_device` and the first tensor do."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(), ctypes.c_void_p()
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(device), ordinal)
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    driver.cuCtxSetCurrent(context)


def work(local_rank: int, devices: int) -> Dict[str, Any]:
    """One worker: something in it looks at every device before its own is set."""
    for ordinal in (*range(devices), local_rank):
        set_device(ordinal)
    try:
        report = _release_stale_cuda_primary_contexts(local_rank)
    except cpc.Error as error:
        return {"worker": local_rank, "error": type(error).__name__, "message": str(error)}
    outcomes = [device.outcome for device in report.devices]
    return {"worker": local_rank, "outcomes": outcomes, "left": [each.ordinal for each in cpc.contexts()]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, help="how many, one for each device")
    parser.add_argument("--start", choices=["spawn", "fork"], default="spawn")
    parser.add_argument("--touch-first", action="store_true", help="use CUDA before the workers start")
    options = parser.parse_args()
    if options.touch_first:
        set_device(0)
    context = multiprocessing.get_context(options.start)
    with context.Pool(options.workers, maxtasksperchild=1) as pool:
        found = pool.map(partial(work, devices=options.workers), range(options.workers), chunksize=1)
    for each in found:
        print(json.dumps(each))
    return 1 if any("error" in each for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
