"""Several processes at once: those that share work must all be locked before any is checkpointed."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from .. import _native
from ..errors import CheckpointError
from ._process import Checkpointed, _held
from ._restore import TRUSTED, Room, _gpu_map, _room, _told
from ._values import ProcessReport, _reports


class Suspended:
    """Processes that are all checkpointed.

    At the end of a ``with`` block they are brought back on the GPUs that they had. Otherwise they stay
    suspended until somebody restores them.
    """

    def __init__(self, group: _native.SuspendedGroup, room: Room = TRUSTED) -> None:
        self._group = group
        self._room = _told(room)

    @classmethod
    def of(cls, processes: Iterable[Checkpointed], *, room: Room = TRUSTED) -> Suspended:
        """Processes that were found checkpointed. They are the group's from then on."""
        room = _told(room)
        return cls(_native.suspended_group([process._controller for process in processes]), room)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids, in the order in which they were given."""
        return tuple(self._group.pids)

    @property
    def reports(self) -> tuple[ProcessReport, ...]:
        """What was done for each process; empty for those that were taken up."""
        return _reports(self._group.reports)

    def resume(
        self,
        *,
        room: Room,
        gpu_map: Mapping[str, str] | None = None,
        every_gpu: Iterable[str] | None = None,
    ) -> tuple[ProcessReport, ...]:
        """Looks at the room, restores all processes, in their order, then unlocks all. The arguments are
        those of :meth:`Checkpointed.restore`, the room that of all together.

        Where a restore fails, those restored before are checkpointed again. Where an unlock fails, the
        others are unlocked all the same. The error has what every process is then; ``found`` is empty where
        all are checkpointed again: the group holds them, and can be resumed later.
        """
        pairs = _gpu_map(gpu_map, every_gpu)
        devices = _room(room, pairs, *self.pids)
        try:
            return _reports(self._group.resume(pairs, devices))
        except CheckpointError as error:
            _tell(error)
            raise

    def __enter__(self) -> Suspended:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._group.is_suspended:
            self.resume(room=self._room)

    def __repr__(self) -> str:
        return f"<Suspended {', '.join(map(str, self.pids))}>"


def suspend(pids: Iterable[int], *, timeout: float, room: Room = TRUSTED) -> Suspended:
    """Locks all processes, in their order, each within this many seconds, then checkpoints all. Where one
    fails, what was done is undone, and the error has what every process is then. Ranks leave their NCCL
    group first: in one over P2P or shared memory they were never seen to come back.

    ``room`` is for the restore at the end of a ``with`` block.
    """
    room = _told(room)
    try:
        return Suspended(_native.suspend(list(pids), timeout), room)
    except CheckpointError as error:
        _tell(error)
        raise


def _tell(error: CheckpointError) -> None:
    """Makes objects of what the extension tells with an error."""
    told: dict[str, Any] = vars(error)
    error.found = tuple(_held(controller) for controller in told.pop("_controllers", ()))
    error.reports = _reports(told.pop("_reports", "[]"))
    error.state = next((each.state for each in error.reports if each.pid == error.pid), None)
