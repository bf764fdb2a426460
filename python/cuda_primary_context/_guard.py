"""The headline: keep one device's primary context, release the strays on all others."""

from __future__ import annotations

import logging
from typing import Iterable

from . import _native
from ._device import Device, DeviceLike, _all_named, _named
from ._report import Report, _report

logger = logging.getLogger("cuda_primary_context")
logger.addHandler(logging.NullHandler())


class PrimaryContextGuard:
    """One reference on the kept device's context, and the report on the others.

    It is given back by :meth:`release`, at the end of a ``with`` block, or when the guard is garbage.
    What was released on other devices stays released.
    """

    def __init__(self, native: _native.Guard, report: Report) -> None:
        self._native = native
        self._report = report

    @property
    def report(self) -> Report:
        """What was done, device by device."""
        return self._report

    @property
    def device(self) -> Device:
        """The kept device."""
        kept = self._report.kept
        assert kept is not None
        return kept

    @property
    def released(self) -> bool:
        """Whether the reference was given back."""
        return self._native.released

    def release(self) -> None:
        """Gives the reference back now. Once it was, this does nothing.

        Where the driver refuses, that is raised and the guard still holds the reference: call this again,
        or give up on it by letting go of the guard, which does not release a second time.
        """
        self._native.release()

    def __enter__(self) -> PrimaryContextGuard:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __repr__(self) -> str:
        released = ", released" if self.released else ""
        return f"<PrimaryContextGuard of device {self.device.ordinal}{released}>"


def retain_only(device: DeviceLike, *, keep: Iterable[DeviceLike] = ()) -> PrimaryContextGuard:
    """Retains this device's primary context, and releases the strays on all other devices but those
    to keep: each once, where it is active in this process and no guard holds it.

    Call it at a worker's start. A context that other code of this process still uses is destroyed if its
    last reference is released: the README says what was seen then.
    """
    native, told = _native.retain_only(_named(device), _all_named(keep))
    guard = PrimaryContextGuard(native, _report(*told))
    _log(guard.report)
    return guard


def release_strays(*, keep: Iterable[DeviceLike] = ()) -> Report:
    """Releases the stray contexts on all devices but those to keep, and retains nothing. Otherwise
    as :func:`retain_only`."""
    report = _report(*_native.release_strays(_all_named(keep)))
    _log(report)
    return report


def _log(report: Report) -> None:
    """Debug a device, and a warning for what failed."""
    for device in report.devices:
        logger.log(logging.DEBUG if device.error is None else logging.WARNING, "%s", device)
    current = report.current_context
    if current.error is not None:
        logger.warning(
            "this thread's current context, of device %s, was not restored: %s",
            current.from_device,
            current.error,
        )
    elif report.current_context_switched:
        logger.debug("this thread's current context, of device %s, was switched", current.from_device)
