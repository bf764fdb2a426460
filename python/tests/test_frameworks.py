"""The modules for other frameworks, with the real framework where it can be had."""

import importlib.util
import os
from pathlib import Path

import cuda_primary_context as cpc
import pytest
from simulated import on_simulator, touch

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
