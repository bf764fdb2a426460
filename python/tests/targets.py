"""Processes on one simulated machine that a controller suspends and resumes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from simulated import HERE, environment

TARGET = """
import sys
from simulated import driver, touch
for ordinal in map(int, sys.argv[1:]):
    context = touch(ordinal)
    assert driver().cuCtxSetCurrent(context) == 0
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def target(
    machine: Path, *contexts: int, prefix: Sequence[str] = (), **settings: object
) -> Iterator[subprocess.Popen[str]]:
    """A process with contexts on these devices, which lives until the end of the block. A prefix is a command
    that runs it."""
    words = [*prefix, sys.executable, "-c", TARGET, *map(str, contexts)]
    env = environment(machine=machine, **settings)  # type: ignore[arg-type]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, env=env, cwd=HERE, stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()
