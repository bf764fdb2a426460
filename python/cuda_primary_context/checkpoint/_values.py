"""What was done for a process of a group, and what a process and its descendants are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .. import _native
from .._native import DeviceFile
from .._value import Value
from ..errors import Error, _from_dict


@dataclass(frozen=True)
class StepReport(Value):
    """A step that was tried."""

    #: ``lock``, ``checkpoint``, ``restore`` or ``unlock``.
    step: str
    #: Whether it was to undo an earlier one, because another step failed.
    undoing: bool
    milliseconds: float
    #: Why it failed.
    error: Error | None


@dataclass(frozen=True)
class ProcessReport(Value):
    """What was done for one process, and what it is now."""

    pid: int
    #: In the order in which they were tried.
    steps: tuple[StepReport, ...]
    #: After the last step; None where the driver did not say.
    state: str | None


@dataclass(frozen=True)
class TreeProcess(Value):
    """One process of a tree."""

    pid: int
    parent: int
    command: str
    #: The ``/dev/nvidia*`` files that it has open; None where this process may not look.
    device_files: tuple[DeviceFile, ...] | None


def tree(pid: int) -> tuple[TreeProcess, ...]:
    """The process and its descendants, each after its parent. One that holds no device files has no CUDA
    to checkpoint."""
    return tuple(_tree_process(told) for told in json.loads(_native.tree(pid)))


def _tree_process(told: dict[str, Any]) -> TreeProcess:
    files = told.pop("device_files")
    found = None if files is None else tuple(DeviceFile._restore((json.dumps(each), "", [])) for each in files)
    return TreeProcess(**told, device_files=found)


def _reports(text: str) -> tuple[ProcessReport, ...]:
    return tuple(
        ProcessReport(told["pid"], tuple(map(_step, told["steps"])), told["state"])
        for told in json.loads(text)
    )


def _step_from_json(text: str) -> StepReport:
    return _step(json.loads(text))


def _step(told: dict[str, Any]) -> StepReport:
    return StepReport(**{**told, "error": told["error"] and _from_dict(told["error"])})
