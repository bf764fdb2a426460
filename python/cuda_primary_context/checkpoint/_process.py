"""A process that uses CUDA. A step that fails says what the process is then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _native

if TYPE_CHECKING:
    from .._native import Checkpointed, Locked


class Process:
    """A process that uses CUDA, as far as a controller is concerned.

    The id is the one that this process sees: outside a container, that is the id that the worker has outside.
    """

    def __init__(self, pid: int) -> None:
        self._controller = _native.Controller(pid)

    @classmethod
    def _of(cls, controller: _native.Controller) -> Process:
        process = cls.__new__(cls)
        process._controller = controller
        return process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._controller.pid

    def state(self) -> str:
        """Returns the state of the process, as the driver says: ``running``, ``locked``, ``checkpointed``,
        ``failed``, ``checkpointing``, ``restoring`` or ``unknown`` with a number."""
        return self._controller.state()

    def lock(self, *, timeout: float | None) -> Locked:
        """Makes the process's CUDA calls wait, once those under way are done; within this many seconds,
        or with None however long it takes."""
        # Not in a variable: a traceback would keep it.
        return self._controller.lock(timeout)

    def take_up(self) -> Process | Locked | Checkpointed:
        """Takes the process up in its state: a controller may have died, and left it locked or
        checkpointed. It brings nothing back; :func:`recover` does. A lock of a controller that lives is
        taken over, too."""
        return self._controller.take_up()

    def __repr__(self) -> str:
        return f"<Process {self.pid}>"
