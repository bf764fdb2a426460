"""Strays of dask's workers.

>>> client.register_plugin(StrayContexts())  # doctest: +SKIP

A worker of dask-cuda sees its own GPU as device 0. dask-cuda itself warns of the first device that lists the
worker, so that it does not see a second context.
"""

from __future__ import annotations

import logging
from typing import Any

import cuda_primary_context as cpc
from distributed import WorkerPlugin

logger = logging.getLogger("cuda_primary_context")


class StrayContexts(WorkerPlugin):
    """Reports the strays of each worker when it starts and when it ends; releases them at the start if asked.

    A released reference may belong to a library that still uses the device: see the README first.
    """

    name = "cuda-primary-context"

    def __init__(self, *, device: int = 0, release: bool = False) -> None:
        self.device = device
        self.release = release

    def setup(self, worker: Any) -> None:
        if self.release:
            cpc.release_strays(keep=[self.device])
        self.teardown(worker)

    def teardown(self, worker: Any) -> None:
        strays = [context.ordinal for context in cpc.contexts() if context.ordinal != self.device]
        if strays:
            logger.warning("Worker %s uses device %d and holds strays on %s.", worker.name, self.device, strays)
