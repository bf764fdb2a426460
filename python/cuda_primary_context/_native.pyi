"""The part in Rust. `help()` shows all of its documentation. Import its names from ``cuda_primary_context``."""

from typing import Any, Callable, Final, Iterable, Literal, Mapping, NoReturn, final

from ._device_like import DeviceLike as DeviceLike
from .checkpoint import Room
from .errors import Error

class _Value:
    """A frozen value: comparable, hashable, picklable."""

    # Nobody makes one.
    def __new__(cls, _: NoReturn) -> _Value: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...

@final
class Driver(_Value):
    path: Final[str]
    version: Final[int]
    """The newest CUDA version that it supports: 1000 x major + 10 x minor."""

@final
class Device(_Value):
    ordinal: Final[int]
    uuid: Final[str | None]
    pci_bus_id: Final[str | None]
    name: Final[str | None]
    """Of those that :func:`devices` returns: the product name."""

@final
class Context(_Value):
    ordinal: Final[int]
    uuid: Final[str | None]
    active: Final[bool | None]
    """None if the driver did not say: see ``error``."""
    flags: Final[int | None]
    error: Final[Error | None]

@final
class Holder(_Value):
    library: Final[str]
    """The path that it was loaded from; empty for code that was made at run time."""
    references: Final[int]
    """References to the primary context that it took."""
    green_contexts: Final[int]
    """References to the primary context that its green contexts hold, one each."""
    ordinary_contexts: Final[int]
    """Contexts of ``cuCtxCreate``. They hold no reference to the primary context."""
    taken: Final[int]
    """In a report: how many of its references were released."""

@final
class DeviceFile(_Value):
    descriptor: Final[int]
    path: Final[str]

@final
class Call(_Value):
    call: Final[str]
    """The C function, by its exact name."""
    code: Final[int]
    name: Final[str | None]
    """The code's name, if it is known."""

_Outcome = Literal[
    "kept",
    "left_alone",
    "already_inactive",
    "released",
    "still_active",
    "held_here",
    "held_by_green_context",
    "failed",
]

@final
class DeviceReport(_Value):
    ordinal: Final[int]
    uuid: Final[str | None]
    outcome: Final[_Outcome]
    calls: Final[tuple[Call, ...]]
    """Every driver call that was made for this device, in order."""
    holders: Final[tuple[Holder, ...] | None]
    """The libraries that held the device before; None if ``cuda-contexts trace`` did not start the program."""
    taken_before: Final[int]
    """How many references earlier runs of this process released here."""
    releases: Final[int | None]
    """How many references were released, if any could be."""
    handles: Final[int | None]
    """Of a device that is held here: by how many guards."""
    error: Final[Error | None]
    """Why the device failed."""
    active: Final[bool | None]
    """Of a device that failed: whether its context is active, if the driver said so."""

@final
class CurrentContext(_Value):
    change: Final[Literal["unchanged", "switched", "not_restored"]]
    from_device: Final[int | None]
    """The ordinal of the device whose context was current, if it no longer is."""
    error: Final[Error | None]
    """Why it was not made current again."""

@final
class Report(_Value):
    driver: Final[Driver]
    kept: Final[Device | None]
    """The device that the guard holds; None for a run that retained nothing."""
    current_context_switched: Final[bool]
    current_context: Final[CurrentContext]
    devices: Final[tuple[DeviceReport, ...]]
    """One for every device, in the order of the ordinals."""
    summary: Final[str]
    """One line: ``kept 1; released 0, 2; still active 3``."""
    calls: Final[tuple[Call, ...]]
    """Every driver call, device by device."""

    def check(self) -> None:
        """Raises the first failure of any kind."""

    def look_again(self) -> tuple[int, ...]:
        """Returns the ordinals of the devices that this run released and whose context is active again."""

_Planned = Literal[
    "keep", "leave_alone", "already_inactive", "release", "leave_active", "held_here", "failed"
]

@final
class PlannedDevice(_Value):
    ordinal: Final[int]
    uuid: Final[str | None]
    planned: Final[_Planned]
    at_most: Final[int | None]
    """Of a device to release: how many times at most."""
    handles: Final[int | None]
    """Of a device that is held here: by how many guards."""
    error: Final[Error | None]
    """Why its state could not be read."""

@final
class Plan(_Value):
    driver: Final[Driver]
    kept: Final[Device | None]
    """The device that would be retained, if any."""
    devices: Final[tuple[PlannedDevice, ...]]

@final
class PrimaryContextGuard:
    # Nobody makes one.
    def __new__(cls, _: NoReturn) -> PrimaryContextGuard: ...
    report: Final[Report]
    """What was done, device by device."""
    device: Final[Device]
    """The kept device."""
    released: Final[bool]
    def release(self) -> None:
        """Releases the reference now. Does nothing if it was released."""

    def __enter__(self) -> PrimaryContextGuard: ...
    def __exit__(self, *_exception: object) -> None: ...

def retain_only(device: DeviceLike, *, keep: Iterable[DeviceLike] = ()) -> PrimaryContextGuard:
    """Retains the device's primary context and releases the strays on all others but ``keep``. Keep the guard."""

def release_strays(*, keep: Iterable[DeviceLike] = ()) -> Report:
    """Releases the strays on all devices but those in ``keep``, and retains nothing."""

def plan(device: DeviceLike | None = None, *, keep: Iterable[DeviceLike] = ()) -> Plan:
    """Returns what ``retain_only``, or without a device ``release_strays``, would do now. Changes nothing."""

def driver() -> Driver:
    """Loads and initialises the driver, and returns which one it is."""

def devices() -> tuple[Device, ...]:
    """Returns every device that the driver shows this process. Creates no context."""

def contexts() -> tuple[Context, ...]:
    """Returns the active primary contexts of this process. Creates no context and changes none."""

def holders(device: DeviceLike) -> tuple[Holder, ...] | None:
    """Returns the libraries that hold the device's context; None without ``cuda-contexts trace``."""

def unreleased() -> int:
    """Returns how many references were given up on, because the driver refused their release."""

@final
class Process:
    def __new__(cls, pid: int) -> Process: ...
    pid: Final[int]
    def state(self) -> str: ...
    def lock(self, *, timeout: float | None) -> Locked: ...
    def take_up(self) -> Process | Locked | Checkpointed: ...

@final
class Locked:
    # Nobody makes one, nor one of the two below.
    def __new__(cls, _: NoReturn) -> Locked: ...
    pid: Final[int]
    def state(self) -> str: ...
    def checkpoint(self, *, room: Room = "trusted") -> Checkpointed: ...
    def unlock(self) -> Process: ...
    def __enter__(self) -> Locked: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Checkpointed:
    def __new__(cls, _: NoReturn) -> Checkpointed: ...
    pid: Final[int]
    def state(self) -> str: ...
    def restore(
        self,
        *,
        room: Room,
        gpu_map: Mapping[str, str] | None = None,
        every_gpu: Iterable[str] | None = None,
    ) -> Locked: ...
    def __enter__(self) -> Checkpointed: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Suspended:
    def __new__(cls, _: NoReturn) -> Suspended: ...
    @classmethod
    def of(cls, processes: Iterable[Checkpointed], *, room: Room = "trusted") -> Suspended: ...
    pids: Final[tuple[int, ...]]
    reports: Final[tuple[ProcessReport, ...]]
    def resume(
        self,
        *,
        room: Room,
        gpu_map: Mapping[str, str] | None = None,
        every_gpu: Iterable[str] | None = None,
        on_step: Callable[[int, StepReport], object] | None = None,
    ) -> tuple[ProcessReport, ...]: ...
    def __enter__(self) -> Suspended: ...
    def __exit__(self, *_exception: object) -> None: ...

def suspend(
    pids: Iterable[int],
    *,
    timeout: float,
    room: Room = "trusted",
    at_once: int | None = None,
    on_step: Callable[[int, StepReport], object] | None = None,
) -> Suspended:
    """Locks all processes, each within ``timeout`` seconds, then checkpoints all at once."""

def recover(
    pids: Iterable[int],
    *,
    room: Room = "trusted",
    gpu_map: Mapping[str, str] | None = None,
    every_gpu: Iterable[str] | None = None,
    at_once: int | None = None,
    on_step: Callable[[int, StepReport], object] | None = None,
) -> tuple[ProcessReport, ...]:
    """Resumes what a controller that died left locked or checkpointed."""

def tree(pid: int) -> tuple[TreeProcess, ...]:
    """Returns the process and its descendants, each after its parent."""

def machine_gpus() -> tuple[str, ...]:
    """Returns the unique ids of every GPU of the machine, whatever ``CUDA_VISIBLE_DEVICES`` says."""

def memory_of(pid: int) -> dict[str, int]:
    """Returns how many bytes a process has on each device, by its unique id. Call it before the checkpoint."""

@final
class StepReport(_Value):
    step: Final[Literal["lock", "checkpoint", "restore", "unlock"]]
    undoing: Final[bool]
    """Whether it was to undo an earlier one, because another step failed."""
    milliseconds: Final[float]
    error: Final[Error | None]
    """Why it failed."""

@final
class ProcessReport(_Value):
    pid: Final[int]
    steps: Final[tuple[StepReport, ...]]
    """In the order in which they were tried."""
    state: Final[str | None]
    """After the last step; None if the driver did not say."""

@final
class TreeProcess(_Value):
    pid: Final[int]
    parent: Final[int]
    command: Final[str]
    device_files: Final[tuple[DeviceFile, ...] | None]
    """The ``/dev/nvidia*`` files that it has open; None if this process may not look."""

@final
class DeviceRoom(_Value):
    def __new__(cls, device: str, needed: int, free: int) -> DeviceRoom: ...
    device: Final[str]
    """The unique id of the device on which the process comes back."""
    needed: Final[int]
    """How many bytes the process had there when it was checkpointed."""
    free: Final[int]
    """How many bytes are free now."""
