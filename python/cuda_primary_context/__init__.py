"""Keep one GPU's CUDA context in this process, let go of the others.

>>> import cuda_primary_context as cpc
>>> guard = cpc.retain_only(1)  # doctest: +SKIP
>>> print(guard.report)  # doctest: +SKIP
"""

from . import checkpoint
from ._device import (
    Context,
    Device,
    DeviceLike,
    Driver,
    Holder,
    NamedDevice,
    contexts,
    devices,
    driver,
    holders,
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
from ._fork import DeviceFile, device_files, forked_after_init
from ._guard import PrimaryContextGuard, release_strays, retain_only
from ._plan import Plan, PlannedDevice, plan
from ._report import Call, CurrentContext, DeviceReport, Report

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
