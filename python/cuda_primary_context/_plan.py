"""The dry run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Iterable

from . import _native
from ._value import Value
from ._device import Device, DeviceLike, Driver, _all_named, _named, _with_error
from .errors import Error


@dataclass(frozen=True)
class PlannedDevice(Value):
    """What would be done to one device."""

    ordinal: int
    uuid: str | None
    #: ``keep``, ``leave_alone``, ``already_inactive``, ``release``, ``leave_active``, ``held_here`` or ``failed``.
    planned: str
    #: Of one to release: how many times at most.
    at_most: int | None = None
    #: Of one that is held here: by how many guards.
    handles: int | None = None
    #: Why its state could not be read.
    error: Error | None = None


@dataclass(frozen=True, repr=False)
class Plan(Value):
    """What :func:`retain_only` or :func:`release_strays` would do. Printed, it is a table."""

    driver: Driver
    #: The device that would be retained, if any.
    kept: Device | None
    devices: tuple[PlannedDevice, ...]
    _text: str = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "dry_run": True}

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        kept = None if self.kept is None else self.kept.ordinal
        planned = {device.ordinal: device.planned for device in self.devices}
        return f"<Plan kept={kept} planned={planned}>"


def plan(device: DeviceLike | None = None, *, keep: Iterable[DeviceLike] = ()) -> Plan:
    """What ``retain_only(device, keep=keep)`` would do at this moment; without a device, what
    ``release_strays(keep=keep)`` would. Initialises CUDA in this process where nobody has; creates
    no context and changes none."""
    named = None if device is None else _named(device)
    text, table = _native.plan(named, _all_named(keep))
    told = json.loads(text)
    return Plan(
        driver=Driver(**told["driver"]),
        kept=told["kept"] and Device(**told["kept"]),
        devices=tuple(PlannedDevice(**_with_error(each)) for each in told["devices"]),
        _text=table,
    )
