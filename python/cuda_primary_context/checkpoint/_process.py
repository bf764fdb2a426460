"""A process in each of its states. A step that fails says what the process is then."""

from __future__ import annotations

from typing import Callable, Iterable, Mapping

from .. import _native
from ..errors import CheckpointError
from ._restore import TRUSTED, Room, _gpu_map, _room, _told


class _Handle:
    """What the three have in common: one controller, of whose states each stands for one."""

    def __init__(self, controller: _native.Controller) -> None:
        self._controller = controller

    @property
    def pid(self) -> int:
        """The process id."""
        return self._controller.pid

    def state(self) -> str:
        """Where the process stands, as the driver says: ``running``, ``locked``, ``checkpointed``,
        ``failed``, ``checkpointing``, ``restoring`` or ``unknown`` with a number."""
        return self._controller.state()

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except CheckpointError as error:
            error.found = (_held(self._controller),)
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid}>"


class Process(_Handle):
    """A process that uses CUDA, as far as a controller is concerned."""

    def __init__(self, pid: int) -> None:
        super().__init__(_native.Controller(pid))

    def lock(self, *, timeout: float | None) -> Locked:
        """Makes the process's CUDA calls wait, once those under way are done; within this many seconds,
        or with None however long it takes."""
        locked = Locked(self._controller)
        try:
            self._step(lambda: self._controller.lock(timeout))
        except KeyboardInterrupt:
            # Ctrl-C is raised when the driver is done, and then nobody gets the object.
            locked.__exit__()
            raise
        return locked

    def take_up(self) -> Process | Locked | Checkpointed:
        """Takes the process up where it stands: a controller may have died, and left it locked or
        checkpointed. A lock of a controller that lives is taken over, too."""
        self._controller.take_up()
        return _held(self._controller)


class Locked(_Handle):
    """A process whose CUDA calls wait. It is unlocked by :meth:`unlock`, at the end of a ``with`` block,
    or when the last object that stands for the process is garbage."""

    def checkpoint(self, *, room: Room = TRUSTED) -> Checkpointed:
        """Moves what the process has in GPU memory to host memory, and frees its devices.

        ``room`` is for the restore at the end of a ``with`` block; see :meth:`Checkpointed.restore`.
        """
        suspended = Checkpointed(self._controller, room, self)
        try:
            self._step(self._controller.checkpoint)
        except KeyboardInterrupt:
            # As above.
            suspended.__exit__()
            raise
        return suspended

    def unlock(self) -> Process:
        """Lets the process go on."""
        self._step(self._controller.unlock)
        return _running(self._controller)

    def __enter__(self) -> Locked:
        return self

    def __exit__(self, *exception: object) -> None:
        # Where it was unlocked, or left checkpointed, nothing is to be done.
        if self._controller.holds == "locked":
            self.unlock()


class Checkpointed(_Handle):
    """A process whose GPU memory is in host memory, and whose devices are free.

    At the end of a ``with`` block it is restored on the GPUs that it had. Otherwise it stays suspended
    until somebody restores it, so that a controller may end in between: see :meth:`Process.take_up`.
    """

    def __init__(
        self, controller: _native.Controller, room: Room = TRUSTED, locked: Locked | None = None
    ) -> None:
        super().__init__(controller)
        self._room = _told(room)
        self._locked = locked

    def restore(
        self,
        *,
        room: Room,
        gpu_map: Mapping[str, str] | None = None,
        every_gpu: Iterable[str] | None = None,
    ) -> Locked:
        """Moves the process's memory back to its devices; it is locked then.

        A restore that runs out of memory destroys the process. So ``room`` is looked at first: the bytes
        that each device needs, by its unique id (:func:`memory_of` tells them before the checkpoint), to
        be compared with what NVML says is free; or :class:`DeviceRoom` with your own numbers; or
        ``TRUSTED``, where you answer for it.

        ``gpu_map`` has the new GPU's unique id for each old one's, and names every GPU of the machine
        (``every_gpu``, by default what the kernel driver shows); without it, all are the same.
        """
        pairs = _gpu_map(gpu_map, every_gpu)
        devices = _room(room, pairs, self.pid)
        locked = self._locked or Locked(self._controller)
        try:
            self._step(lambda: self._controller.restore(pairs, devices))
        except KeyboardInterrupt:
            # As above; the process is restored, and goes on.
            locked.__exit__()
            raise
        return locked

    def __enter__(self) -> Checkpointed:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._controller.holds == "checkpointed":
            self.restore(room=self._room)


def _running(controller: _native.Controller) -> Process:
    process = Process.__new__(Process)
    _Handle.__init__(process, controller)
    return process


def _held(controller: _native.Controller) -> Process | Locked | Checkpointed:
    """What a controller holds now."""
    if controller.holds == "locked":
        return Locked(controller)
    if controller.holds == "checkpointed":
        return Checkpointed(controller)
    return _running(controller)
