"""CUDA and ``fork``: what a worker process should know about how it was started."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import _native
from ._value import Value


@dataclass(frozen=True)
class DeviceFile(Value):
    """An open ``/dev/nvidia*`` file of a process."""

    descriptor: int
    path: str


def forked_after_init() -> bool:
    """Whether this process was forked from one that had initialised CUDA through this package.

    Where other code had, every call that asks the driver about this process's devices tells, with
    :class:`ForkedAfterInitError`.
    """
    return _native.forked_after_init()


def device_files(pid: int | None = None) -> tuple[DeviceFile, ...]:
    """The ``/dev/nvidia*`` files that this process, or another one, has open: by its own CUDA calls, or
    inherited through ``fork``."""
    return tuple(DeviceFile(**told) for told in json.loads(_native.device_files(pid)))
