"""What a restore is given: which GPU is which, and whether there is room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Iterable, Literal, Mapping, Union

from .. import _native
from .._value import Value


@dataclass(frozen=True)
class DeviceRoom(Value):
    """What one device has, and what a restore needs there."""

    #: The unique id of the device on which the process comes back.
    device: str
    #: How many bytes the process had there when it was checkpointed.
    needed: int
    #: How many bytes are free now.
    free: int


#: The caller knows that there is room.
TRUSTED: Final = "trusted"

#: The bytes that each device needs, what each needs and has, or ``TRUSTED``.
Room = Union[Literal["trusted"], Mapping[str, int], Iterable[DeviceRoom]]


def memory_of(pid: int) -> dict[str, int]:
    """How many bytes a process has on each device, by its unique id, as NVML says. Ask before the
    checkpoint, and pass the result to the restore."""
    return dict(_native.memory_of(pid))


def machine_gpus() -> tuple[str, ...]:
    """The unique ids of every GPU that the kernel driver shows, whatever ``CUDA_VISIBLE_DEVICES`` says."""
    return tuple(_native.machine_gpus())
