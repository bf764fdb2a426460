"""Keep one GPU's CUDA context in this process and release the strays on the others.

>>> import cuda_primary_context as cpc
>>> guard = cpc.retain_only(1)  # doctest: +SKIP
>>> print(guard.report.summary)  # doctest: +SKIP
kept 1; released 0
"""

from ._native import (
    Call as Call,
    Context as Context,
    CurrentContext as CurrentContext,
    Device as Device,
    DeviceFile as DeviceFile,
    DeviceReport as DeviceReport,
    Driver as Driver,
    Holder as Holder,
    NamedDevice as NamedDevice,
    Plan as Plan,
    PlannedDevice as PlannedDevice,
    PrimaryContextGuard as PrimaryContextGuard,
    Report as Report,
    contexts as contexts,
    device_files as device_files,
    devices as devices,
    driver as driver,
    forked_after_init as forked_after_init,
    holders as holders,
    plan as plan,
    release_strays as release_strays,
    retain_only as retain_only,
    unreleased as unreleased,
)
from .errors import (
    CheckpointError as CheckpointError,
    DriverError as DriverError,
    DriverNotFoundError as DriverNotFoundError,
    DriverTooOldError as DriverTooOldError,
    Error as Error,
    ForkedAfterInitError as ForkedAfterInitError,
    ForkedControllerError as ForkedControllerError,
    FunctionMissingError as FunctionMissingError,
    GpuMapError as GpuMapError,
    NoDeviceError as NoDeviceError,
    NoRoomError as NoRoomError,
    NoSuchDeviceError as NoSuchDeviceError,
    NoSuchProcessError as NoSuchProcessError,
    NotADriverError as NotADriverError,
    NvmlError as NvmlError,
    OtherUserError as OtherUserError,
    ProcessEndedError as ProcessEndedError,
    ProcessIdError as ProcessIdError,
    StubLibraryError as StubLibraryError,
    UnknownDeviceError as UnknownDeviceError,
)

TYPE_CHECKING = False  # typing's, without the time that importing it takes
if TYPE_CHECKING:
    from . import checkpoint as checkpoint
    from ._native import DeviceLike as DeviceLike
    from ._threads import KeptThreads as KeptThreads, keep_threads_on_device as keep_threads_on_device

__version__ = "0.2.0"

_LAZY = {
    "DeviceLike": "_device_like",
    "KeptThreads": "_threads",
    "checkpoint": "checkpoint",
    "keep_threads_on_device": "_threads",
}


def __getattr__(name: str) -> object:
    """Imports what few programs use when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f".{_LAZY[name]}", __name__)
    return module if name == "checkpoint" else getattr(module, name)
