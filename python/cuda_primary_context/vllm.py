"""Contexts of vLLM's workers, through ``LLM.collective_rpc``. vLLM is not patched.

>>> llm = LLM(..., worker_extension_cls="cuda_primary_context.vllm.WorkerExtension")  # doctest: +SKIP
>>> llm.collective_rpc("contexts")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import Any

import cuda_primary_context as cpc


class WorkerExtension:
    """What vLLM adds to its worker class. The results are plain data, which every executor can send."""

    device: Any  # the worker's torch.device
    rank: int

    def contexts(self) -> dict[str, Any]:
        """Returns the active contexts of this worker; those that are not on ``device`` are strays."""
        active = [context.to_dict() for context in cpc.contexts()]
        return {"pid": os.getpid(), "rank": self.rank, "device": self.device.index, "contexts": active}

    def release_strays(self) -> dict[str, Any]:
        """Releases the strays of this worker and returns the report."""
        return cpc.release_strays(keep=[self.device]).to_dict()

    def holders(self) -> dict[int, list[dict[str, Any]] | None]:
        """Returns the libraries that hold each active context; None without ``cuda-contexts trace``."""
        held = {context.ordinal: cpc.holders(context.ordinal) for context in cpc.contexts()}
        return {
            ordinal: None if holders is None else [holder.to_dict() for holder in holders]
            for ordinal, holders in held.items()
        }
