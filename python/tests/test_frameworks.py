"""The modules for other frameworks, with the real framework where it can be had."""

import importlib.util
import os
from pathlib import Path

import cuda_primary_context as cpc
import pytest
from simulated import HERE, environment, on_simulator, python, touch

PLUGINS = ("vllm", "lightning", "dask")


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        required = os.environ.get("CUDA_PRIMARY_CONTEXT_REQUIRE", "").split(",")
        assert package not in required, f"{package} is missing"
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("name", PLUGINS)
def test_a_module_is_short_and_imported_only_when_used(name: str) -> None:
    text = Path(cpc.__file__).with_name(f"{name}.py").read_text()
    code = [line for line in text.split('"""')[2].splitlines() if line.strip()]
    assert len(code) <= 40
    assert f"cuda_primary_context.{name}" not in __import__("sys").modules


@on_simulator(held_by_others="0:1,2:2")
def test_vllm_workers_return_plain_data() -> None:
    import json

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


@on_simulator(held_by_others="1:1")
def check_dask_workers() -> None:
    from cuda_primary_context.dask import StrayContexts
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            before = client.run(cpc.contexts)
            assert [[context.ordinal for context in each] for each in before.values()] == [[1], [1]]
            client.register_plugin(StrayContexts(release=True))
            assert list(client.run(cpc.contexts).values()) == [(), ()]


def test_a_dask_plugin_releases_the_strays_of_each_worker() -> None:
    needs("distributed")
    check_dask_workers()


@on_simulator(held_by_others="0:1,2:2")
def test_a_lightning_callback_reports_and_releases() -> None:
    """With a stand-in for the base class: hardware/frameworks.py runs a real Trainer."""
    import logging
    import sys
    from types import ModuleType, SimpleNamespace

    stand_in = ModuleType("lightning.pytorch")
    stand_in.Callback = object  # type: ignore[attr-defined]
    sys.modules.update({"lightning": ModuleType("lightning"), "lightning.pytorch": stand_in})
    from cuda_primary_context.lightning import StrayContexts

    lines = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("cuda_primary_context").addHandler(handler)

    def setup(callback: StrayContexts, kind: str) -> StrayContexts:
        device = SimpleNamespace(type=kind, index=1)
        trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=device), global_rank=3)
        callback.setup(trainer, None, "fit")
        return callback

    setup(StrayContexts(release=True), "cpu")
    assert lines == [] and len(cpc.contexts()) == 2
    assert setup(StrayContexts(), "cuda").report is None
    assert lines == ["Rank 3 uses device 1 and holds strays on [0, 2]."]
    report = setup(StrayContexts(release=True), "cuda").report
    assert report is not None and report.summary == "released 0; still active 2; left alone 1"
    assert lines[-1] == "Rank 3 uses device 1 and holds strays on [2]."


def test_the_program_for_real_frameworks_runs_what_is_here() -> None:
    process = python(str(HERE.parents[1] / "hardware" / "frameworks.py"), env=environment())
    assert process.returncode == 0, process.stdout + process.stderr
    for line in process.stdout.splitlines():
        assert line.startswith(("dask: both workers", "lightning on", "skipped: ")), line
    assert len(process.stdout.splitlines()) >= 2
