"""Keep one GPU's CUDA context in this process and release the strays on the others.

>>> import cuda_primary_context as cpc
>>> guard = cpc.retain_only(1)  # doctest: +SKIP
>>> print(guard.report.summary)  # doctest: +SKIP
kept 1; released 0
"""

from ._native import (
    Call,
    Context,
    CurrentContext,
    Device,
    DeviceFile,
    DeviceReport,
    Driver,
    Holder,
    NamedDevice,
    Plan,
    PlannedDevice,
    PrimaryContextGuard,
    Report,
    contexts,
    device_files,
    devices,
    driver,
    forked_after_init,
    holders,
    plan,
    release_strays,
    retain_only,
    unreleased,
)
from .errors import (
    CheckpointError,
    DriverError,
    DriverNotFoundError,
    DriverTooOldError,
    Error,
    ForkedAfterInitError,
    ForkedControllerError,
    FunctionMissingError,
    GpuMapError,
    NoDeviceError,
    NoRoomError,
    NoSuchDeviceError,
    NoSuchProcessError,
    NotADriverError,
    NvmlError,
    OtherUserError,
    ProcessEndedError,
    ProcessIdError,
    StubLibraryError,
    UnknownDeviceError,
)

TYPE_CHECKING = False  # typing's, without the time that importing it takes
if TYPE_CHECKING:
    from . import checkpoint
    from ._native import DeviceLike
    from ._threads import KeptThreads, keep_threads_on_device

__version__ = "0.2.0"

__all__ = [
    "Call",
    "CheckpointError",
    "Context",
    "CurrentContext",
    "Device",
    "DeviceFile",
    "DeviceLike",
    "DeviceReport",
    "Driver",
    "DriverError",
    "DriverNotFoundError",
    "DriverTooOldError",
    "Error",
    "ForkedAfterInitError",
    "ForkedControllerError",
    "FunctionMissingError",
    "GpuMapError",
    "Holder",
    "KeptThreads",
    "NamedDevice",
    "NoDeviceError",
    "NoRoomError",
    "NoSuchDeviceError",
    "NoSuchProcessError",
    "NotADriverError",
    "NvmlError",
    "OtherUserError",
    "Plan",
    "PlannedDevice",
    "PrimaryContextGuard",
    "ProcessEndedError",
    "ProcessIdError",
    "Report",
    "StubLibraryError",
    "UnknownDeviceError",
    "checkpoint",
    "contexts",
    "device_files",
    "devices",
    "driver",
    "forked_after_init",
    "holders",
    "keep_threads_on_device",
    "plan",
    "release_strays",
    "retain_only",
    "unreleased",
]


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
