"""Strays of a Lightning trainer's processes.

>>> trainer = Trainer(callbacks=[StrayContexts()])  # doctest: +SKIP
"""

from __future__ import annotations

import logging
from typing import Any

import cuda_primary_context as cpc

try:
    from lightning.pytorch import Callback  # type: ignore[import-not-found, unused-ignore]
except ImportError:  # the package's former name
    from pytorch_lightning import Callback  # type: ignore[import-not-found, unused-ignore]

logger = logging.getLogger("cuda_primary_context")


class StrayContexts(Callback):  # type: ignore[misc, unused-ignore]
    """Reports the strays of each process, once the strategy has selected its device; releases them if asked.

    A released reference may belong to a library that still uses the device: see the README first.
    """

    def __init__(self, *, release: bool = False) -> None:
        self.release = release
        #: What the last release did.
        self.report: cpc.Report | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        device = trainer.strategy.root_device
        if device.type != "cuda":
            return
        if self.release:
            self.report = cpc.release_strays(keep=[device])
        strays = [context.ordinal for context in cpc.contexts() if context.ordinal != device.index]
        if strays:
            logger.warning("Rank %d uses device %d and holds strays on %s.", trainer.global_rank, device.index, strays)
