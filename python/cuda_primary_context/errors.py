"""Everything that can go wrong. Each message is the Rust crate's, with the fix in it."""

TYPE_CHECKING = False  # typing's, without the time that importing it takes
if TYPE_CHECKING:
    from typing import Any

    from .checkpoint import Checkpointed, Locked, Process, ProcessReport


_BY_KIND: "dict[str, type[Error]]" = {}


class Error(Exception):
    """What all errors of this package are."""

    #: The sort of error in ``snake_case``, for logs and JSON.
    kind: str
    #: The C function, if a driver call failed.
    call: str | None
    #: The ordinal of the device concerned, if there is one.
    device: int | None
    #: The driver's result code, if a driver call failed.
    code: int | None
    #: The code's name, such as ``CUDA_ERROR_OUT_OF_MEMORY``, if it is known.
    name: str | None

    _FIELDS = ("kind", "call", "device", "code", "name")

    def __init_subclass__(cls, kinds: str = "") -> None:
        _BY_KIND.update(dict.fromkeys(kinds.split(), cls))

    def __init__(self, message: str = "", **fields: "Any") -> None:
        super().__init__(message)
        for name in self._FIELDS:
            setattr(self, name, fields.get(name))

    def to_dict(self) -> "dict[str, Any]":
        """As a JSON object; what does not apply is None."""
        return {**{name: getattr(self, name) for name in self._FIELDS}, "message": str(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Error):
            return NotImplemented
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((type(self), str(self), self.code, self.call))


class DriverError(Error, kinds="driver"):
    """A driver call returned something other than ``CUDA_SUCCESS``."""


class DriverNotFoundError(Error, kinds="library_not_found"):
    """No driver library could be loaded."""


class NotADriverError(Error, kinds="not_a_driver"):
    """The library loads and is no CUDA driver."""


class DriverTooOldError(Error, kinds="driver_too_old"):
    """The driver is older than a function that is needed."""


class FunctionMissingError(Error, kinds="function_missing"):
    """The driver lacks a function that its version should have."""


class StubLibraryError(Error, kinds="stub_library"):
    """The library is the toolkit's stub, which is for linking alone."""


class NoDeviceError(Error, kinds="no_device"):
    """The driver works and shows this process no device."""


class ForkedAfterInitError(Error, kinds="forked_after_init"):
    """This process was forked from one that had initialised CUDA. Nothing can be done here."""


class NoSuchDeviceError(Error, kinds="no_such_device"):
    """There is no device of this ordinal."""


class UnknownDeviceError(Error, kinds="unknown_device"):
    """The driver shows this process no device of this unique id or PCI address."""


class CheckpointError(Error):
    """A step of a checkpoint failed."""

    #: The process concerned, where there is one.
    pid: int | None
    #: What the process is now, if the driver said it.
    state: str | None
    #: What each process of the step is now. Dropping this error drops them: what is locked is unlocked.
    found: "tuple[Process | Locked | Checkpointed, ...]"
    #: What was done for each process of a group, and undone.
    reports: "tuple[ProcessReport, ...]"

    _FIELDS = ("kind", "call", "code", "name", "pid")

    def __init__(self, message: str = "", **fields: "Any") -> None:
        super().__init__(message, **fields)
        self.device = None
        self.state = fields.get("state")
        self.found = ()
        self.reports = ()

    def __reduce__(self) -> "tuple[Any, ...]":
        # What is held belongs to this process.
        return type(self), self.args, {**vars(self), "found": ()}


class ProcessEndedError(CheckpointError, kinds="ended"):
    """The process has ended, or another one has its id by now."""


class NoSuchProcessError(ProcessEndedError, kinds="no_such_process"):
    """There is no process of this id: it has ended, or never existed here. No driver call was made."""


class ProcessIdError(CheckpointError, ValueError, kinds="not_a_process_id thread_id named_twice"):
    """The number is not the id of a process: it is out of range, a thread's, or named twice in a group. No
    driver call was made."""


class OtherUserError(CheckpointError, kinds="other_user"):
    """The process belongs to another user. No driver call was made."""


class NoRoomError(CheckpointError, kinds="no_room"):
    """A device lacks the room that a restore needs. No driver call was made."""


class GpuMapError(CheckpointError, kinds="map_lacks map_names_twice"):
    """A restore map lacks a GPU, or names one twice."""


class ForkedControllerError(CheckpointError, kinds="forked_controller"):
    """The handle was made by the process that this one was forked from."""


class NvmlError(Error):
    """NVML did not say how much memory there is."""


def _from_dict(fields: "dict[str, Any]", state: str | None = None) -> Error:
    """The Rust crate's error as an exception; that of a step that failed has the state beside it."""
    if "error" in fields:
        return _from_dict(fields["error"], fields["state"])
    message, kind = fields.pop("message"), fields["kind"]
    pid = fields.pop("pid", None)
    found = _BY_KIND.get(kind, NvmlError if kind.startswith("nvml") else Error)
    if kind == "driver" and pid is not None:
        found = CheckpointError
    return found(message, pid=pid, state=state, **fields)
