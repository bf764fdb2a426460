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
    "plan",
    "release_strays",
    "retain_only",
    "unreleased",
]


def __getattr__(name: str) -> object:
    """Imports what few programs use when it is used: ``checkpoint``, and the type ``DeviceLike``."""
    if name == "checkpoint":
        import importlib

        return importlib.import_module(".checkpoint", __name__)
    if name == "DeviceLike":
        from ._device_like import DeviceLike

        return DeviceLike
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
