"""The modules and recipes for other frameworks, with the real framework if it is installed."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import cuda_primary_context as cpc
import pytest
from simulated import HERE, environment, on_simulator, python, touch

HARDWARE = HERE.parents[1] / "hardware"


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        required = os.environ.get("CUDA_PRIMARY_CONTEXT_REQUIRE", "").split(",")
        assert package not in required, f"{package} is missing"
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("name", ["vllm", "lightning", "dask"])
def test_a_module_is_short_and_imported_only_when_used(name: str) -> None:
    text = Path(cpc.__file__).with_name(f"{name}.py").read_text()
    code = [line for line in text.split('"""')[2].splitlines() if line.strip()]
    assert len(code) <= 40
    process = python("-c", "import cuda_primary_context, sys; print(*sys.modules)", env=environment())
    assert f"cuda_primary_context.{name}" not in process.stdout.split()


@on_simulator(held_by_others="0:1,2:2")
def test_vllm_workers_return_plain_data() -> None:
    from cuda_primary_context.vllm import WorkerExtension

    class Device:
        type, index = "cuda", 1

    class Worker(WorkerExtension):
        device, rank = Device(), 3

    touch(1)
    worker = Worker()
    found = worker.contexts()
    assert (found["rank"], found["device"], found["pid"]) == (3, 1, os.getpid())
    assert [context["ordinal"] for context in found["contexts"]] == [0, 1, 2]
    assert worker.holders() == {0: None, 1: None, 2: None}
    report = worker.release_strays()
    assert report["summary"] == "released 0; still active 2; left alone 1"
    json.dumps([found, report])


@on_simulator(held_by_others="0:1,2:2")
def check_lightning_callback() -> None:
    sys.path.append(str(HARDWARE))
    import torch
    from cuda_primary_context.lightning import StrayContexts
    from frameworks import Heard, train
    from lightning.pytorch import Callback

    class Strategy(Callback):
        """Gives the strategy this device, while the callback between two of these looks at it."""

        def __init__(self, device: str) -> None:
            self.device = torch.device(device)

        def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
            trainer.strategy._root_device = self.device

    heard, reports = Heard(), []
    train(StrayContexts(release=True), accelerator="cpu")
    assert heard.lines == [] and len(cpc.contexts()) == 2
    for release in (False, True):
        callback = StrayContexts(release=release)
        train(Strategy("cuda:1"), callback, Strategy("cpu"), accelerator="cpu")
        reports.append(callback.report)
    assert reports[0] is None and reports[1] is not None
    assert reports[1].summary == "released 0; still active 2; left alone 1"
    assert heard.lines[0] == "Rank 0 uses device 1 and holds strays on [0, 2]."
    assert heard.lines[-1] == "Rank 0 uses device 1 and holds strays on [2]."


def test_a_lightning_callback_reports_and_releases() -> None:
    needs("lightning")
    check_lightning_callback()


RAY = """
import ray
ray.init(num_cpus=2, include_dashboard=False, logging_level="error", object_store_memory=10**8)
@ray.remote
class Worker:
    def __init__(self, rank):
        import cuda_primary_context as cpc
        self.report = cpc.release_strays(keep=[rank])
    def summary(self):
        return self.report.summary
print(*ray.get([worker.summary.remote() for worker in [Worker.remote(0), Worker.remote(1)]]), sep="\\n")
"""

TORCHRUN = """
import os, sys, torch
if "LOCAL_RANK" not in os.environ:
    from torch.distributed.run import main
    # By a file: a PyTorch without libuv has no server for this.
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-conf", "store_type=file", "--rdzv-endpoint", __file__ + ".store"]
    sys.exit(main(["--nproc-per-node", "2", *rendezvous, *sys.argv]))
import cuda_primary_context as cpc
os.write(1, (cpc.release_strays(keep=[torch.device("cuda", int(os.environ["LOCAL_RANK"]))]).summary + "\\n").encode())
"""

ACCELERATE = """
import accelerate, torch
import cuda_primary_context as cpc
accelerator = accelerate.Accelerator()
for rank in (0, 1):
    accelerator.state.device = torch.device("cuda", rank)
    print(cpc.release_strays(keep=[accelerator.device]).summary)
"""


@pytest.mark.parametrize("package, program", [("ray", RAY), ("torch", TORCHRUN), ("accelerate", ACCELERATE)])
def test_recipe(package: str, program: str, tmp_path: Path) -> None:
    needs(package)
    (tmp_path / "program.py").write_text(program)
    env = environment(held_by_others="2:2")
    # Ray hides all devices from an actor that asks for none.
    env.update(RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0", TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")
    process = python(str(tmp_path / "program.py"), env=env)
    lines = [line for line in process.stdout.splitlines() if "left alone" in line]
    expected = ["still active 2; left alone 0", "still active 2; left alone 1"]
    if package == "accelerate":  # one process: its second release takes the second reference
        expected[1] = "released 2; left alone 1"
    assert sorted(lines) == sorted(expected), process.stdout + process.stderr


@pytest.mark.parametrize(
    "package, line",
    [
        ("distributed", "dask: both workers have a context on device 3 alone"),
        ("lightning", "lightning on the CPU: trained, nothing reported"),
    ],
)
def test_the_program_for_real_frameworks(package: str, line: str) -> None:
    needs(package)
    process = python(str(HARDWARE / "frameworks.py"), env=environment())
    assert process.returncode == 0, process.stdout + process.stderr
    assert line in process.stdout.splitlines(), process.stdout
