"""What names a device, as a type."""

from __future__ import annotations

from typing import Protocol, SupportsIndex, Union


class HasIndex(Protocol):
    """A device of another library, such as a ``torch.device``."""

    @property
    def index(self) -> SupportsIndex | None: ...


#: An ordinal, ``"cuda:1"``, a unique id (``"GPU-…"``, ``"MIG-…"``), a PCI address (``"0000:3B:00.0"``), or a device
#: of another library that has its ordinal as ``index``.
DeviceLike = Union[SupportsIndex, str, HasIndex]
