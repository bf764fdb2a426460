"""What the example for vLLM refuses, without vLLM."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from cuda_primary_context.vllm import WorkerExtension

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "vllm_suspend.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("vllm_suspend", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def worker(pid: int, **transport: str) -> Dict[str, Any]:
    return {"pid": pid, "device": 0, "contexts": [{"ordinal": 0}], "transport": transport}


def test_transports_that_lose_the_workers_are_refused() -> None:
    why_unsafe, safe = example().why_unsafe, example().SAFE_TRANSPORT
    assert why_unsafe([worker(1, **safe), worker(2, **safe)], False) is None
    # A worker alone shares nothing.
    assert why_unsafe([worker(1)], True) is None
    assert "disable_custom_all_reduce" in why_unsafe([worker(1, **safe), worker(2, **safe)], True)
    for name in ("NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE"):
        without = {key: value for key, value in safe.items() if key != name}
        for other in (without, {**safe, name: "0"}):
            reason = why_unsafe([worker(1, **safe), worker(2, **other)], False)
            assert "worker 2" in reason and f"{name}=1" in reason, reason


def test_arguments_are_checked_before_vllm_is_loaded() -> None:
    for arguments, status, reason in (
        (["--tensor-parallel", "0"], 2, "1 GPU at least"),
        (["--stray", "--tensor-parallel", "1"], 2, "needs a second GPU"),
        (["--gpu-memory", "1.5"], 2, "is a fraction"),
        (["--help"], 0, "NCCL_P2P_DISABLE=1 and NCCL_SHM_DISABLE=1"),
        (["--help"], 0, "the engine is lost"),
    ):
        process = subprocess.run([sys.executable, str(EXAMPLE), *arguments], text=True, capture_output=True)
        assert process.returncode == status, process.stderr
        assert reason in process.stdout + process.stderr


@pytest.mark.parametrize("safe", [True, False])
def test_unsafe_workers_are_not_suspended(safe: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = example()
    assert issubclass(module.Extension, WorkerExtension)
    folder = Path(module.small_model(tmp_path / "model"))
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    for name in [*module.ENVIRONMENT, *module.SAFE_TRANSPORT, "PYTHONPATH", "HF_HUB_OFFLINE"]:
        monkeypatch.setenv(name, "")

    class Engine:
        def collective_rpc(self, method: str) -> Any:
            assert method == "describe"
            return [worker(pid, **(module.SAFE_TRANSPORT if safe else {})) for pid in (1, 2)]

    cycles = []
    monkeypatch.setattr(module, "start", lambda arguments, folder: Engine())
    monkeypatch.setattr(module, "generate", lambda engine: [[1]])
    monkeypatch.setattr(module, "cycle", lambda engine, pids, at_once, what, tokens: cycles.append(what))
    monkeypatch.setattr(sys, "argv", ["vllm_suspend.py"])
    if safe:
        module.main()
    else:
        with pytest.raises(SystemExit, match="Nothing was suspended"):
            module.main()
    assert cycles == (["without strays"] if safe else [])
