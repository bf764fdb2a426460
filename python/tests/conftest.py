"""What is tested is the installed wheel, and not the folder beside this one."""

from pathlib import Path

import cuda_primary_context
import pytest
from simulated import WRITER


def pytest_report_header() -> str:
    return f"cuda_primary_context of {Path(cuda_primary_context.__file__).parent}"


def pytest_configure() -> None:
    if not WRITER:
        raise pytest.UsageError("CUDA_PRIMARY_CONTEXT_SIMULATOR names no program; run .ci/run python")
    if "site-packages" not in cuda_primary_context.__file__:
        raise pytest.UsageError(f"{cuda_primary_context.__file__} is not an installed wheel's")
