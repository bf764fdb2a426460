"""E21: contexts that come and go under several threads, with questions beside them."""

import ctypes
import functools
import os
import threading
import time

from .cells import cell

SECONDS = 6
HOLDER = ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent",
          "cuMemAlloc_v2", "cuMemFree_v2")
ASKER = ("cuDevicePrimaryCtxGetState", "cuDeviceGetName")


def addresses(run, names):
    return [ctypes.c_void_p(run.driver.address(name)) for name in names]


def beside_calls(run, holders, askers=2):
    """Nothing is held between the holders: whenever none of them holds, the context goes."""
    device = run.device()
    name = run.driver.cuDeviceGetName(128, device)["text"].encode()
    library = ctypes.CDLL(os.path.join(run.helpers, "teardown.so"))
    stop, each = ctypes.c_int(0), [(ctypes.c_uint64 * 3)() for _ in range(holders + askers)]
    holding, asking = each[:holders], each[holders:]
    tasks = [functools.partial(library.hold_and_let_go, *addresses(run, HOLDER), ctypes.c_int(device),
                               ctypes.c_int(number % 2), ctypes.byref(stop), counts)
             for number, counts in enumerate(holding)]
    tasks += [functools.partial(library.ask, *addresses(run, ASKER), ctypes.c_int(device), name,
                                ctypes.byref(stop), counts) for counts in asking]
    run.about_to_call("the loops")
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.value = 1
    for thread in threads:
        thread.join()
    run.about_to_call("")
    run.note(holders=[list(counts) for counts in holding], askers=[list(counts) for counts in asking])
    return (f"{holders} holders, {askers} that ask, {SECONDS} s: {sum(c[0] for c in holding)} cycles with "
            f"{sum(c[1] for c in holding)} failed calls; the context was seen to go at least "
            f"{max(c[2] for c in asking)} times; {sum(c[0] for c in asking)} questions with "
            f"{sum(c[1] for c in asking)} wrong answers; state {run.state(device)}")


for count in (2, 6):
    cell("E21", f"teardown-beside-calls-{count}", needs=("compiler",), timeout=60)(
        functools.partial(beside_calls, holders=count))
