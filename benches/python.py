#!/usr/bin/env python3
"""What the Python package costs beside a loop of ctypes calls, nothing stray.

    python benches/python.py FOLDER [--check]

FOLDER has the simulated driver (`cargo run -p simulated-libcuda -- FOLDER`). The interpreter has the package
`cuda_primary_context`. The loop is that of vLLM pull request 42874. With --check, a ratio or an import over
its target is an error.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time

DEVICES = [2, 8]
SAMPLES, CALLS = 41, 200
# What each call may take, as a multiple of the loop.
TARGETS = {"retain_only(1).release()": 0.5, "release_strays(keep=[1])": 0.5, "contexts()": 1.0}
IMPORT_MILLISECONDS = 5


def ctypes_loop(kept):
    """Releases each active context but that of the kept device."""
    libcuda = ctypes.CDLL("libcuda.so.1")
    count = ctypes.c_int()
    assert libcuda.cuInit(0) == 0 and libcuda.cuDeviceGetCount(ctypes.byref(count)) == 0

    def loop():
        for ordinal in range(count.value):
            if ordinal == kept:
                continue
            device = ctypes.c_int()
            if libcuda.cuDeviceGet(ctypes.byref(device), ordinal) != 0:
                continue
            flags, active = ctypes.c_uint(), ctypes.c_int()
            state = libcuda.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
            if state == 0 and active.value != 0:
                libcuda.cuDevicePrimaryCtxRelease_v2(device)

    return loop


def microseconds(work):
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        work()
    return (time.perf_counter_ns() - began) / 1000 / CALLS


def measure():
    """The fastest sample of each, in microseconds, all in turns; as JSON, for the parent process."""
    import cuda_primary_context

    # The worker's own device has a context, as in a real worker.
    own = cuda_primary_context.retain_only(1)
    works = {
        "ctypes loop": ctypes_loop(1),
        "retain_only(1).release()": lambda: cuda_primary_context.retain_only(1).release(),
        "release_strays(keep=[1])": lambda: cuda_primary_context.release_strays(keep=[1]),
        "contexts()": cuda_primary_context.contexts,
    }
    samples = {name: [] for name in works}
    for _ in range(SAMPLES):
        for name, work in works.items():
            samples[name].append(microseconds(work))
    own.release()
    print(json.dumps({name: min(taken) for name, taken in samples.items()}))


def in_another_process(arguments, driver, devices):
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": driver,
        "SIMULATED_CUDA_DEVICES": str(devices),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def import_milliseconds(driver):
    """The processor time of an import in a new process, the least of all: it depends little on other programs."""
    program = (
        "import time; began = time.process_time(); import cuda_primary_context; "
        "print((time.process_time() - began) * 1000)"
    )
    return min(float(in_another_process(["-c", program], driver, 2)) for _ in range(SAMPLES))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("driver", metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    driver = os.path.abspath(options.driver)
    missed = []
    print(f"{'':28}{'devices':>8}{'µs':>8}{'of the loop':>13}{'target':>8}")
    for devices in DEVICES:
        taken = json.loads(in_another_process([__file__, "--measure"], driver, devices))
        loop = taken.pop("ctypes loop")
        print(f"{'ctypes loop':28}{devices:8}{loop:8.2f}{1:13.2f}")
        for name, each in taken.items():
            print(f"{name:28}{devices:8}{each:8.2f}{each / loop:13.2f}{TARGETS[name]:8.2f}")
            if each / loop > TARGETS[name]:
                missed.append(f"{name}, {devices} devices")
    milliseconds = import_milliseconds(driver)
    print(f"import: {milliseconds:.1f} ms of processor time, target {IMPORT_MILLISECONDS}")
    if milliseconds > IMPORT_MILLISECONDS:
        missed.append("import")
    if options.check and missed:
        sys.exit(f"over the target: {'; '.join(missed)}")


if sys.argv[1:] == ["--measure"]:
    measure()
else:
    main()
