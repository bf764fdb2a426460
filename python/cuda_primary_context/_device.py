"""The driver, its devices, the contexts that this process has on them, and what names a device."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from typing import Any, Iterable, Protocol, SupportsIndex, Union

from . import _native
from ._value import Value
from .errors import Error, _from_dict


class HasIndex(Protocol):
    """A device of another library, such as a ``torch.device``."""

    @property
    def index(self) -> SupportsIndex | None: ...


#: An ordinal, a unique id (``GPU-…``, ``MIG-…``), a PCI address (``0000:3B:00.0``), or a device of
#: another library that has its ordinal as ``index``.
DeviceLike = Union[SupportsIndex, str, HasIndex]


@dataclass(frozen=True)
class Driver(Value):
    """The driver library that was loaded."""

    path: str
    #: The newest CUDA version that it supports: 1000 × major + 10 × minor.
    version: int


@dataclass(frozen=True)
class Device(Value):
    """A device, by its number in this process and by what others know it by."""

    ordinal: int
    uuid: str | None
    pci_bus_id: str | None


@dataclass(frozen=True)
class NamedDevice(Device):
    """A device with its product name. It equals no :class:`Device`: compare ``uuid`` or ``ordinal``."""

    name: str | None


@dataclass(frozen=True)
class Context(Value):
    """Whether a device's primary context is active in this process, by whomever it was retained."""

    ordinal: int
    uuid: str | None
    #: None where the driver did not tell: see ``error``.
    active: bool | None = None
    #: The flags that the context has, or will have.
    flags: int | None = None
    error: Error | None = None


@dataclass(frozen=True)
class Holder(Value):
    """A library, or the program itself, that holds something on a device, as the witness of
    ``cuda-contexts`` counted it."""

    #: Where it was loaded from; empty for code that was made at run time.
    library: str
    #: References to the primary context that it took.
    references: int
    #: References to the primary context that its green contexts hold, one each.
    green_contexts: int
    #: Contexts that it made with ``cuCtxCreate``; they hold no reference to the primary one.
    ordinary_contexts: int
    #: In a report: how many of its references were released.
    taken: int


def driver() -> Driver:
    """Loads the driver, initialises it and says which one it is."""
    return Driver(**json.loads(_native.driver()))


def devices() -> tuple[NamedDevice, ...]:
    """Every device that the driver shows this process. Creates no context."""
    return tuple(NamedDevice(**told) for told in json.loads(_native.devices()))


def contexts() -> tuple[Context, ...]:
    """The state of every device's primary context in this process. Initialises CUDA in this process where
    nobody has; creates no context and changes none."""
    return tuple(Context(**_with_error(told)) for told in json.loads(_native.contexts()))


def holders(device: DeviceLike) -> tuple[Holder, ...]:
    """Who holds the device's context now, the longest holder first; empty where the program was not started
    by ``cuda-contexts``. Makes no driver call but those of a first load, and those that
    find a device by its unique id or PCI address."""
    return tuple(Holder(**told) for told in json.loads(_native.holders(_named(device))))


def unreleased() -> int:
    """How many references were given up on: the driver refused to take them back. Loads the driver, as the
    others do."""
    return _native.unreleased()


def _with_error(told: dict[str, Any]) -> dict[str, Any]:
    """The same with its error, if it has one, as an exception."""
    error = told.get("error")
    return {**told, "error": _from_dict(error)} if error else told


def _named(device: DeviceLike) -> int | str:
    """What the extension takes: an ordinal, a unique id or a PCI address."""
    if isinstance(device, str):
        return device
    ordinal = _ordinal_of(device)
    if not 0 <= ordinal < 1 << 32:
        raise ValueError(f"a device's ordinal is a number from 0 to 4294967295, not {ordinal}")
    return ordinal


def _ordinal_of(device: Any) -> int:
    if hasattr(device, "__index__"):
        return operator.index(device)
    kind: object = getattr(device, "type", None)
    index: Any = getattr(device, "index", "")
    if isinstance(kind, str) and kind != "cuda":
        raise ValueError(f"{device!r} is no CUDA device")
    if index is None:
        raise ValueError(
            f"{device!r} does not say which device it is: its index is None; name one, such as "
            "torch.cuda.current_device()"
        )
    if not hasattr(index, "__index__"):
        raise TypeError(
            "a device is an ordinal, a unique id (GPU-…), a PCI address or an object with the ordinal "
            f"as its index, not {device!r}"
        )
    return operator.index(index)


def _all_named(devices: Iterable[DeviceLike]) -> list[int | str]:
    if isinstance(devices, str):
        raise TypeError(f"keep takes several devices, such as [{devices!r}], not one")
    return [_named(device) for device in devices]
