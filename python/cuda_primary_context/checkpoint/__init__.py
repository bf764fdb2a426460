"""Suspending and resuming processes that use GPUs: lock, checkpoint, restore, unlock.

>>> from cuda_primary_context import checkpoint
>>> with checkpoint.Process(4711).lock(timeout=10) as locked:  # doctest: +SKIP
...     with locked.checkpoint():
...         ...  # its devices are free; at the end of the block it comes back
...     # and is unlocked here

The calls are made by a controller, which needs no CUDA context. Linux, driver of CUDA 12.8 or newer.

An exception that a signal handler raises, such as SystemExit or TimeoutError, is raised when the step under
way is done. If nobody has the result of that step then, the step is undone.
"""

from .._native import Checkpointed, Locked, Suspended, recover, suspend
from ._process import Process
from ._restore import TRUSTED, DeviceRoom, Room, machine_gpus, memory_of
from ._values import ProcessReport, StepReport, TreeProcess, tree

__all__ = [
    "TRUSTED",
    "Checkpointed",
    "DeviceRoom",
    "Locked",
    "Process",
    "ProcessReport",
    "Room",
    "StepReport",
    "Suspended",
    "TreeProcess",
    "machine_gpus",
    "memory_of",
    "recover",
    "suspend",
    "tree",
]
