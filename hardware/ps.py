"""`cuda-contexts ps` beside nvidia-smi, on real GPUs, with a worker that holds a stray.

    ps.py CUDA-CONTEXTS

The worker selects device 1, fills some of its memory, and makes a context on device 0. What NVML says through the
command and what nvidia-smi lists must be equal, and the context on device 0 must be found. Needs two GPUs.
"""

import json
import os
import subprocess
import sys

from checkpoint.driver import device_count

WORKER = """
import ctypes, sys
driver, context, memory = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_uint64()
codes = [driver.cuInit(0)]
for ordinal in (0, 1):
    codes.append(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), ordinal))
codes.append(driver.cuCtxSetCurrent(context))
codes.append(driver.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(1 << 30)))
print(codes, flush=True)
sys.stdin.read()
"""


def listed_by_nvidia_smi(pid):
    """MiB by GPU."""
    query = ["nvidia-smi", "--query-compute-apps=gpu_uuid,pid,used_gpu_memory", "--format=csv,noheader,nounits"]
    rows = [line.split(", ") for line in subprocess.run(query, capture_output=True, text=True).stdout.splitlines()]
    return {uuid: int(mib) for uuid, listed, mib in rows if int(listed) == pid}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    command = sys.argv[1]
    if device_count() < 2:
        print("skipped: ps: there is one GPU only")
        return
    environment = dict(os.environ, LOCAL_RANK="1", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment)
    try:
        print("worker:", worker.stdout.readline().strip())
        lines = subprocess.run([command, "ps", "--json"], capture_output=True, text=True).stdout.splitlines()
        contexts = [each for each in map(json.loads, lines) if each.get("rank_variable") == "LOCAL_RANK"]
        page = subprocess.run([command, "ps"], capture_output=True, text=True).stdout
        gate = subprocess.run([command, "ps", "--fail-on-stray"], capture_output=True).returncode
        found = {each["uuid"]: each["bytes"] >> 20 for each in contexts}
        beside = listed_by_nvidia_smi(contexts[0]["pid"]) if contexts else {}
    finally:
        worker.stdin.close()
        worker.wait()
    print(page)
    for each in contexts:
        sizes = f"{found[each['uuid']]} MiB, nvidia-smi {beside.get(each['uuid'])} MiB"
        print(f"GPU {each['gpu']}: {sizes}, {each['verdict']}")
    verdicts = [each["verdict"] for each in contexts]
    right = found == beside and verdicts == ["probably_stray", "main"] and gate == 3
    print(f"ps and nvidia-smi: {'equal' if right else 'DIFFERENT'}, --fail-on-stray exits with {gate}")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
