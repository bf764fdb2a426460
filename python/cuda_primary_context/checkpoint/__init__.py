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

from typing import Final, Iterable, Literal, Mapping, Union

from .._native import (
    Checkpointed as Checkpointed,
    DeviceRoom as DeviceRoom,
    Locked as Locked,
    Process as Process,
    ProcessReport as ProcessReport,
    StepReport as StepReport,
    Suspended as Suspended,
    TreeProcess as TreeProcess,
    machine_gpus as machine_gpus,
    memory_of as memory_of,
    recover as recover,
    suspend as suspend,
    tree as tree,
)

#: The caller knows that there is room.
TRUSTED: Final = "trusted"

#: The bytes that each device needs, what each needs and has, or ``TRUSTED``.
Room = Union[Literal["trusted"], Mapping[str, int], Iterable[DeviceRoom]]
