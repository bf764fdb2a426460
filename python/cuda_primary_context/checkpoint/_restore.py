"""What a restore is given: which GPU is which, and whether there is room."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Iterable, List, Literal, Mapping, Optional, Tuple, Union

from .. import _native
from .._value import Value

_Map = Optional[Tuple[List[Tuple[str, str]], List[str]]]


@dataclass(frozen=True)
class DeviceRoom(Value):
    """What one device has, and what a restore needs there."""

    #: The unique id of the device on which the process comes back.
    device: str
    #: How many bytes the process had there when it was checkpointed.
    needed: int
    #: How many bytes are free now.
    free: int


#: The caller knows that there is room, and answers for it.
TRUSTED: Final = "trusted"

#: The bytes that each device needs, what each needs and has, or ``TRUSTED``.
Room = Union[Literal["trusted"], Mapping[str, int], Iterable[DeviceRoom]]


def memory_of(pid: int) -> dict[str, int]:
    """How many bytes a process has on each device, by its unique id, as NVML tells. Ask before the
    checkpoint, and give the answer to the restore."""
    return dict(_native.memory_of(pid))


def machine_gpus() -> tuple[str, ...]:
    """The unique ids of every GPU that the kernel driver shows, whatever ``CUDA_VISIBLE_DEVICES`` says."""
    return tuple(_native.machine_gpus())


def _gpu_map(gpu_map: Mapping[str, str] | None, every_gpu: Iterable[str] | None) -> _Map:
    if gpu_map is None:
        return None
    every = machine_gpus() if every_gpu is None else every_gpu
    return list(gpu_map.items()), list(every)


def _told(room: Room) -> Room:
    """The room as it can be asked for more than once. One that names no device would check nothing."""
    if isinstance(room, str):
        if room != TRUSTED:
            raise ValueError(f"the only word for the room is {TRUSTED!r}, not {room!r}")
        return room
    kept: Room = dict(room) if isinstance(room, Mapping) else list(room)
    if not kept:
        raise ValueError("the room names no device; name each, or say TRUSTED")
    return kept


def _room(room: Room, gpu_map: _Map, *pids: int) -> list[tuple[str, int, int]] | None:
    room = _told(room)
    if isinstance(room, str):
        return None
    if isinstance(room, Mapping):
        if os.getpid() in pids:
            raise ValueError(
                "a process that suspended itself must not ask NVML before its restore: it was seen to "
                "hang; tell the room in numbers of your own, or as TRUSTED"
            )
        return _native.device_room(list(room.items()), gpu_map)
    return [(device.device, device.needed, device.free) for device in room]
