"""What the example for vLLM refuses, without vLLM."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
from cuda_primary_context.vllm import WorkerExtension

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "vllm_suspend.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("vllm_suspend", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["--stray", "--tensor-parallel", "1"], 2, "needs a second GPU"),
        (["--help"], 0, "NCCL_P2P_DISABLE=1 and NCCL_SHM_DISABLE=1"),
        (["--help"], 0, "the engine is lost"),
    ],
)
def test_what_it_needs_is_said_before_vllm_is_loaded(arguments: List[str], status: int, words: str) -> None:
    process = subprocess.run([sys.executable, str(EXAMPLE), *arguments], text=True, capture_output=True)
    assert process.returncode == status, process.stderr
    assert words in process.stdout + process.stderr


SAFE = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"}


@pytest.mark.parametrize(
    "transports, options, reason",
    [
        ([SAFE, SAFE], [], None),
        # A worker alone shares nothing.
        ([{}], ["--unsafe-transport"], None),
        ([SAFE, {**SAFE, "NCCL_P2P_DISABLE": "0"}], [], "worker 2 was not started with NCCL_P2P_DISABLE=1"),
        ([SAFE, {"NCCL_P2P_DISABLE": "1"}], [], "worker 2 was not started with NCCL_SHM_DISABLE=1"),
        ([SAFE, SAFE], ["--unsafe-transport"], "disable_custom_all_reduce"),
    ],
)
def test_workers_that_may_be_lost_are_not_suspended(
    transports: List[Dict[str, str]],
    options: List[str],
    reason: Optional[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = example()
    assert issubclass(module.Extension, WorkerExtension)
    worker = {"device": 0, "contexts": [{"ordinal": 0}]}
    workers = [{**worker, "pid": pid, "transport": each} for pid, each in enumerate(transports, 1)]
    engine = SimpleNamespace(collective_rpc=lambda method: {"describe": workers}[method])
    cycles: List[List[int]] = []
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(sys, "argv", ["vllm_suspend.py", *options])
    monkeypatch.setattr(module, "start", lambda arguments, folder: module.small_model(folder) and engine)
    monkeypatch.setattr(module, "generate", lambda engine: [[1]])
    monkeypatch.setattr(module, "cycle", lambda engine, pids, what, tokens: cycles.append(pids))
    if reason is None or options:
        module.main()
        assert cycles == [[worker["pid"] for worker in workers]]
    else:
        with pytest.raises(SystemExit, match="Nothing was suspended"):
            module.main()
        assert cycles == []
    assert (reason or "") in capsys.readouterr().err
