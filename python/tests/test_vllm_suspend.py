"""What the example for vLLM refuses, without vLLM."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulated import HERE

EXAMPLE = Path(HERE).parent / "examples" / "vllm_suspend.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("vllm_suspend", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def worker(pid: int, **transport: str) -> "dict[str, Any]":
    return {"pid": pid, "transport": transport}


def test_transports_that_lose_the_workers_are_refused() -> None:
    why_unsafe = example().why_unsafe
    safe = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"}
    assert why_unsafe([worker(1, **safe), worker(2, **safe)], False) is None
    # A worker alone shares nothing.
    assert why_unsafe([worker(1)], True) is None
    assert "disable_custom_all_reduce" in why_unsafe([worker(1, **safe), worker(2, **safe)], True)
    for name in safe:
        for value in (None, "0"):
            other = {key: each for key, each in {**safe, name: value}.items() if each is not None}
            reason = why_unsafe([worker(1, **safe), worker(2, **other)], False)
            assert "worker 2" in reason and f"{name}=1" in reason, reason


def test_arguments_are_checked_before_vllm_is_loaded() -> None:
    for arguments, reason in (
        (["--tensor-parallel", "0"], "1 GPU at least"),
        (["--stray", "--tensor-parallel", "1"], "needs a second GPU"),
        (["--gpu-memory", "1.5"], "is a fraction"),
    ):
        words = [sys.executable, str(EXAMPLE), *arguments]
        process = subprocess.run(words, text=True, capture_output=True)
        assert process.returncode == 2 and reason in process.stderr, process.stderr
    parsed = example().parse([])
    assert (parsed.model, parsed.tensor_parallel, parsed.unsafe_transport) == (None, 2, False)


def test_help_says_what_it_needs() -> None:
    words = [sys.executable, str(EXAMPLE), "--help"]
    process = subprocess.run(words, text=True, capture_output=True)
    for words_ in ("NCCL_P2P_DISABLE=1 and NCCL_SHM_DISABLE=1", "the engine is lost", "CUDA 12.8"):
        assert words_ in process.stdout


def test_the_small_model_is_a_folder_with_a_configuration(tmp_path: Path) -> None:
    folder = example().small_model(tmp_path / "model")
    assert json.loads((Path(folder) / "config.json").read_text())["model_type"] == "llama"


@pytest.mark.parametrize("safe", [True, False])
def test_unsafe_workers_are_not_suspended(safe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module = example()
    for name in [*module.ENVIRONMENT, *module.SAFE_TRANSPORT, "PYTHONPATH", "HF_HUB_OFFLINE"]:
        monkeypatch.setenv(name, "")
    transport = module.SAFE_TRANSPORT if safe else {}

    class Engine:
        def collective_rpc(self, method: str) -> Any:
            assert method == "describe"
            return [{**worker(pid, **transport), "device": 0, "active": [0]} for pid in (1, 2)]

    cycles: "list[str]" = []
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
