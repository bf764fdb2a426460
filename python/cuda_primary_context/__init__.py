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
    Plan as Plan,
    PlannedDevice as PlannedDevice,
    PrimaryContextGuard as PrimaryContextGuard,
    Report as Report,
    contexts as contexts,
    devices as devices,
    driver as driver,
    holders as holders,
    plan as plan,
    release_strays as release_strays,
    retain_only as retain_only,
    unreleased as unreleased,
)
from .errors import *

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
