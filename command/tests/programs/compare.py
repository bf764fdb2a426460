#!/usr/bin/env python3
"""Runs programs that others wrote on the simulated driver: alone, through `cuda-contexts trace` and `cuda-contexts run`.

    compare.py COMMAND DRIVER FOLDER [PROGRAM...]

COMMAND is cuda-contexts, DRIVER the folder of the simulated driver. FOLDER keeps a Python environment for each package
from PyPI. A program that cannot be had is skipped. Exit status 1: a program behaved differently.
Compared are the exit status, both streams, and how often each driver function returned each code for each device,
without the functions by which the trace itself identifies devices. If two runs alone differ in numbers, these are
masked; if their calls differ, calls are not compared.
"""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 180
IDENTITY = {"cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid", "cuDeviceGetUuid_v2"}
# Name, what pip installs (nothing: a program of Debian), the command. {python} is that of the environment.
PROGRAMS = [
    ("ffmpeg", "", "ffmpeg -nostdin -loglevel info -init_hw_device cuda=gpu:1 -filter_hw_device gpu -f lavfi "
                   "-i testsrc2=d=0.2:s=320x240 -vf format=nv12,hwupload,hwdownload,format=nv12 -f null -"),
    ("hashcat", "nvidia-cuda-nvrtc-cu12==12.9.86", "hashcat --backend-info"),
    ("mpirun", "", "mpirun --allow-run-as-root --oversubscribe -n 2 {python} client.py"),
    ("HAMi-core", "", "env LD_PRELOAD={folder}/HAMi-core/libvgpu.so CUDA_DEVICE_MEMORY_LIMIT=1g "
                      "{python} client.py"),
    ("bpy", "bpy==5.0.1", "{python} bpy_devices.py"),
    ("warp", "warp-lang==1.19.0", "{python} warp_array.py"),
    ("Dr.Jit", "drjit==1.5.0", "{python} drjit_sum.py"),
    ("OpenMM", "openmm==8.6.1 OpenMM-CUDA-12==8.6.1", "{python} openmm_step.py"),
    ("numba-cuda", "numba-cuda[cu12]==0.30.4", "{python} numba_array.py"),
    ("CuPy", "cupy-cuda12x==14.2.0", "{python} cupy_array.py"),
    ("JAX", "jax[cuda12]==0.10.2", "{python} jax_devices.py"),
    ("Triton", "triton==3.9.0 setuptools", "{python} triton_driver.py"),
    ("tinygrad", "tinygrad==0.14.0", "{python} tinygrad_buffer.py"),
    ("Taichi", "taichi==1.7.4", "{python} taichi_field.py"),
    ("gunicorn", "gunicorn==27.0.1", "{python} gunicorn_request.py"),
    ("Ray", "ray==2.60.0", "{python} ray_actor.py"),
]


class Missing(Exception):
    """What a program needs and this machine lacks."""


def environment(folder, name, packages):
    """The interpreter of an environment with these packages."""
    if not packages:
        return pathlib.Path(sys.executable)
    here = folder / name
    if not (here / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", here], check=True)
        pip = [here / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages.split()]
        if subprocess.run(pip).returncode != 0:
            raise Missing(f"pip cannot install {packages}")
        for library in here.glob("lib/*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.*"):
            library.with_name("libnvrtc.so").symlink_to(library)  # as a toolkit has it, for hashcat
        (here / "complete").touch()
    return here / "bin/python"


def run(prefix, command, folders):
    """The exit status, the streams and the driver calls."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "calls")
        mine = dict(os.environ, LD_LIBRARY_PATH=folders, SIMULATED_CUDA_LOG=str(log), SIMULATED_CUDA_DEVICES="2",
                    SIMULATED_CUDA_KNOBS="handles_are_ordinals=1", PYTHONDONTWRITEBYTECODE="1")
        try:
            done = subprocess.run([*prefix, *command], env=mine, cwd=HERE, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return None, ["", f"no end after {LIMIT} s"], collections.Counter()
        calls = collections.Counter()
        for line in log.read_text().splitlines() if log.exists() else []:
            call = json.loads(line)
            if call["function"] in IDENTITY:
                continue
            calls[call["function"], call["device"], call["code"]] += 1
        return done.returncode, [done.stdout, done.stderr], calls


def masked(streams):
    return [re.sub(r"0x[0-9a-fA-F]+|[0-9a-f]{16,}|\d[\d.:,]*", "N", stream) for stream in streams]


def difference(alone, other, mask, compare_calls):
    """What is not the same, in words."""
    if alone[0] != other[0]:
        return f"status {other[0]} and not {alone[0]}: {other[1][1][-300:]!r}"
    streams = [mask(streams) for streams in (alone[1], other[1])]
    for name, before, after in zip(("output", "error output"), *streams):
        if before != after:
            lines = [line for line in after.splitlines() if line not in before.splitlines()]
            return f"another {name}: {lines[:3]!r}"
    if compare_calls and alone[2] != other[2]:
        more, fewer = other[2] - alone[2], alone[2] - other[2]
        return f"other driver calls: more {dict(more)!r}, fewer {dict(fewer)!r}"
    return None


def compare(name, packages, command, cuda_contexts, driver, folder):
    python = environment(folder, name, packages)
    words = [word.format(python=python, folder=folder) for word in command.split()]
    if not shutil.which(words[0]):
        raise Missing(f"there is no {words[0]}")
    if name == "HAMi-core" and not (folder / "HAMi-core/libvgpu.so").exists():
        raise Missing("there is no HAMi-core/libvgpu.so in FOLDER")
    libraries = sorted(python.parent.parent.glob("lib/*/site-packages/nvidia/*/lib"))
    folders = os.pathsep.join(map(str, [driver, *libraries]))
    alone, again = run([], words, folders), run([], words, folders)
    calls_repeat = alone[2] == again[2]
    mask = masked if difference(alone, again, list, False) else list
    if mask is masked and difference(alone, again, mask, False):
        raise Missing(f"two runs alone differ: {difference(alone, again, mask, False)}")
    verdicts = []
    with tempfile.TemporaryDirectory() as reports:
        report = f"{reports}/report"
        for verb, prefix in {
            "trace": [cuda_contexts, "trace", "-o", report, "--"],
            "run": [cuda_contexts, "run", "--"],
        }.items():
            # `run` asks the driver what is current on the creating thread.
            other = run(prefix, words, folders)
            found = difference(alone, other, mask, calls_repeat and verb == "trace")
            verdicts.append(f"{verb} {'the same' if found is None else 'DIFFERS: ' + found}")
        first = pathlib.Path(report).read_text().splitlines()[0].removeprefix("cuda-contexts: ")
    calls = f"{alone[2].total()} driver calls" if calls_repeat else "calls vary"
    how = "" if mask is list else ", numbers masked"
    return f"status {alone[0]}, {calls}{how}; {', '.join(verdicts)}; {first}"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    cuda_contexts, driver, folder = (pathlib.Path(path).resolve() for path in sys.argv[1:4])
    differ = False
    for name, packages, command in PROGRAMS:
        if sys.argv[4:] and name not in sys.argv[4:]:
            continue
        try:
            found = compare(name, packages, command, cuda_contexts, driver, folder)
        except Missing as missing:
            print(f"skipped: {name}: {missing}", flush=True)
            continue
        print(f"{name}: {found}", flush=True)
        differ |= "DIFFERS" in found
    sys.exit(differ)


if __name__ == "__main__":
    main()
