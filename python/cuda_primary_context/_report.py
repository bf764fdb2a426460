"""What a release did, device by device and call by call."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from ._value import Value
from ._device import Device, Driver, Holder, _with_error
from .errors import Error


@dataclass(frozen=True)
class Call(Value):
    """One driver call and its answer."""

    #: The C function, by its exact name.
    call: str
    code: int
    name: str | None

    def __str__(self) -> str:
        return f"{self.call}: {self.name or 'unknown code'} ({self.code})"


@dataclass(frozen=True)
class DeviceReport(Value):
    """What became of one device, as the driver last told."""

    ordinal: int
    uuid: str | None
    #: ``kept``, ``left_alone``, ``already_inactive``, ``released``, ``still_active``, ``held_here``,
    #: ``held_by_green_context`` or ``failed``.
    outcome: str
    #: Every driver call that was made for this device, in order.
    calls: tuple[Call, ...]
    #: Who held the device before, where the program was started by ``cuda-contexts``.
    holders: tuple[Holder, ...]
    #: How many references earlier runs of this process released here.
    taken_before: int = 0
    #: How many references were released, where any could be.
    releases: int | None = None
    #: Of a device that is held here: by how many guards.
    handles: int | None = None
    #: Of a device that failed: why.
    error: Error | None = None
    #: Of a device that failed: whether its context is active, where the driver told.
    active: bool | None = None
    _text: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        told = super().to_dict()
        return {**told, "active": self.active} if self.outcome == "failed" else told

    def __str__(self) -> str:
        """One line: the outcome in words, and the calls."""
        return self._text


@dataclass(frozen=True)
class CurrentContext(Value):
    """What became of the calling thread's current context."""

    #: ``unchanged``, ``switched`` (it was destroyed, the kept one is in its place) or ``not_restored``.
    change: str
    #: The ordinal of the device whose context was current, where it is not any more.
    from_device: int | None
    #: Why it was not restored.
    error: Error | None

    def to_dict(self) -> dict[str, Any]:
        error = self.error and self.error.to_dict()
        return {"change": self.change, "from": self.from_device, "error": error}


@dataclass(frozen=True, repr=False)
class Report(Value):
    """What :func:`retain_only` or :func:`release_strays` did. Printed, it is a table."""

    driver: Driver
    #: The device that the guard holds; None for a run that retained nothing.
    kept: Device | None
    #: Whether the calling thread's current context is another than before.
    current_context_switched: bool
    current_context: CurrentContext
    #: One line for every device, in the order of the ordinals.
    devices: tuple[DeviceReport, ...]
    _text: str = field(compare=False)

    def check(self) -> None:
        """Raises the first failure of any kind, for callers who want all or nothing."""
        for error in [*(device.error for device in self.devices), self.current_context.error]:
            if error is not None:
                # A copy: the report would keep the traceback, and with it the guard, alive.
                raise copy.copy(error)

    def __str__(self) -> str:
        """The table: every device, its outcome, its driver calls."""
        return self._text

    def __repr__(self) -> str:
        kept = None if self.kept is None else self.kept.ordinal
        outcomes = {device.ordinal: device.outcome for device in self.devices}
        return f"<Report kept={kept} outcomes={outcomes}>"


def _report(text: str, table: str, lines: list[str]) -> Report:
    told = json.loads(text)
    current = told["current_context"]
    error = _with_error(current)["error"]
    return Report(
        driver=Driver(**told["driver"]),
        kept=told["kept"] and Device(**told["kept"]),
        current_context_switched=told["current_context_switched"],
        current_context=CurrentContext(current["change"], current["from"], error),
        devices=tuple(map(_device_report, told["devices"], lines)),
        _text=table,
    )


def _device_report(told: dict[str, Any], line: str) -> DeviceReport:
    calls = tuple(Call(**call) for call in told["calls"])
    holders = tuple(Holder(**holder) for holder in told["holders"] or ())
    return DeviceReport(**{**_with_error(told), "calls": calls, "holders": holders}, _text=line)
