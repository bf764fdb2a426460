"""Processes on one simulated machine that a controller suspends and resumes."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from cuda_primary_context.checkpoint import Process
from simulated import HERE, environment, on_simulator, temporary_folder

#: The machine of a test that runs in a process of its own.
MACHINE = Path(os.environ.get("SIMULATED_CUDA_MACHINE", "/nowhere"))

TARGET = """
import sys
from simulated import driver, touch
for ordinal in map(int, sys.argv[1:]):
    context = touch(ordinal)
    assert driver().cuCtxSetCurrent(context) == 0
print("ready", flush=True)
sys.stdin.read()
"""


#: Runs a test in a process of its own that is the controller of others on the same machine.
on_a_machine = functools.partial(on_simulator, machine=lambda: Path(temporary_folder(), "machine"))


@contextmanager
def target(machine: Path, *contexts: int, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with contexts on these devices, which lives until the end of the block."""
    words = [sys.executable, "-c", TARGET, *map(str, contexts)]
    env = environment(machine=machine, **settings)
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, env=env, cwd=HERE, stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def states(*pids: int) -> list[str]:
    return [Process(pid).state() for pid in pids]
