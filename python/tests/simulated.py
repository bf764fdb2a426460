"""Tests on the simulated driver: each in a process of its own, for a driver's state is the process's."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent

#: The program that writes the simulated driver, which `.ci/python` builds.
WRITER = os.environ.get("CUDA_PRIMARY_CONTEXT_SIMULATOR", "")

GET_STATE = "cuDevicePrimaryCtxGetState"
RETAIN = "cuDevicePrimaryCtxRetain"
RELEASE = "cuDevicePrimaryCtxRelease_v2"


def temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="simulated-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.lru_cache(maxsize=None)
def library(*options: str) -> str:
    """A folder with a simulated driver, such as one of another version."""
    if not WRITER:
        raise RuntimeError("CUDA_PRIMARY_CONTEXT_SIMULATOR names no program; run .ci/run python")
    folder = temporary_folder()
    subprocess.run([WRITER, folder, *options], check=True, stdout=subprocess.DEVNULL)
    return folder


def environment(devices: int = 4, folder: str | None = None, **settings: Any) -> dict[str, str]:
    """That of a process that finds the simulated driver; the settings are the simulator's variables."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATED_CUDA_")}
    mine.pop("CUDA_VISIBLE_DEVICES", None)
    mine["LD_LIBRARY_PATH"] = library() if folder is None else folder
    mine["SIMULATED_CUDA_DEVICES"] = str(devices)
    return {**mine, **{f"SIMULATED_CUDA_{name.upper()}": str(value) for name, value in settings.items()}}


def python(*arguments: str, env: dict[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """This interpreter, in the folder of the tests."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=env, cwd=HERE, text=True, capture_output=True, timeout=120, **options
    )


def on_simulator(
    devices: int = 4, **settings: Any
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Runs a test in a process of its own, on a simulated driver of its own. A setting may be a function."""

    def decorate(test: Callable[[], None]) -> Callable[[], None]:
        def in_a_process() -> None:
            # Where pytest runs in a shell's background, Ctrl-C is ignored, and would be here.
            heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
            code = f"{heard}; import {test.__module__} as tests; tests.{test.__name__}.test()"
            values = {name: value() if callable(value) else value for name, value in settings.items()}
            process = python("-c", code, env=environment(devices, **values))
            assert process.returncode == 0, process.stdout + process.stderr

        functools.update_wrapper(in_a_process, test)
        in_a_process.test = test  # type: ignore[attr-defined]
        return in_a_process

    return decorate


@functools.lru_cache(maxsize=None)
def driver() -> ctypes.CDLL:
    """The driver of this process, as any library in it calls it."""
    return ctypes.CDLL("libcuda.so.1")


def handle_of(ordinal: int) -> ctypes.c_int:
    handle = ctypes.c_int()
    assert driver().cuInit(0) == 0
    assert driver().cuDeviceGet(ctypes.byref(handle), ordinal) == 0
    return handle


def touch(ordinal: int) -> ctypes.c_void_p:
    """Leaves one more reference on a device's context, as a library does that looks at it."""
    context = ctypes.c_void_p()
    assert driver().cuDevicePrimaryCtxRetain(ctypes.byref(context), handle_of(ordinal)) == 0
    return context


def references(ordinal: int) -> int:
    """How many references there are, which the real driver does not return."""
    return _number(0, ordinal)


def underflows() -> int:
    """How many releases were made that nobody owed."""
    return _number(9)


def _number(which: int, of: int = 0) -> int:
    """One of those that `simulator/c/simulated_cuda.h` lists."""
    number = driver().simulated_cuda_number
    number.restype = ctypes.c_uint64
    return int(number(which, of))
