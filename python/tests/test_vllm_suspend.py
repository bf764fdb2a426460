"""What the example for vLLM refuses, without vLLM."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
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


def test_arguments_are_checked_before_vllm_is_loaded() -> None:
    # A worker alone shares nothing.
    assert example().why_unsafe([{"pid": 1, "transport": {}}], True) is None
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


SAFE = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"}


@pytest.mark.parametrize(
    "transport, options, reason",
    [
        (SAFE, [], None),
        ({**SAFE, "NCCL_P2P_DISABLE": "0"}, [], "worker 2 was not started with NCCL_P2P_DISABLE=1"),
        ({"NCCL_P2P_DISABLE": "1"}, [], "worker 2 was not started with NCCL_SHM_DISABLE=1"),
        (SAFE, ["--unsafe-transport"], "disable_custom_all_reduce"),
    ],
)
def test_workers_that_may_be_lost_are_not_suspended(
    transport: Dict[str, str],
    options: List[str],
    reason: Optional[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = example()
    assert issubclass(module.Extension, WorkerExtension)
    for name in [*module.ENVIRONMENT, *module.SAFE_TRANSPORT, "PYTHONPATH", "HF_HUB_OFFLINE"]:
        monkeypatch.setenv(name, "")
    cycles = []

    class Engine:
        def collective_rpc(self, method: str) -> List[Dict[str, Any]]:
            assert method == "describe"
            found = {"device": 0, "contexts": [{"ordinal": 0}]}
            return [{**found, "pid": 1, "transport": SAFE}, {**found, "pid": 2, "transport": transport}]

    def start(arguments: Any, folder: Path) -> Engine:
        module.small_model(folder)
        assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
        return Engine()

    monkeypatch.setattr(module, "start", start)
    monkeypatch.setattr(module, "generate", lambda engine: [[1]])
    monkeypatch.setattr(module, "cycle", lambda engine, pids, at_once, what, tokens: cycles.append(pids))
    monkeypatch.setattr(sys, "argv", ["vllm_suspend.py", *options])
    if reason is None or options:
        module.main()
        assert cycles == [[1, 2]]
    else:
        with pytest.raises(SystemExit, match="Nothing was suspended"):
            module.main()
        assert cycles == []
    assert (reason or "") in capsys.readouterr().err
