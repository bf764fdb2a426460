"""`python -m cuda_primary_context`, and the command that comes with the wheel."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import files, requires
from pathlib import Path

import cuda_primary_context as cpc
import pytest
from simulated import environment, python

MODULE = ["-m", "cuda_primary_context"]


def test_what_the_driver_says_as_a_table() -> None:
    process = python(*MODULE, env=environment(devices=2, foreign="1:1"))
    assert (process.returncode, process.stderr) == (0, "")
    driver, heading, first, second = process.stdout.splitlines()
    assert driver == "driver libcuda.so.1 (CUDA 13.0)"
    assert heading.split() == ["device", "UUID", "PCI", "address", "context", "name"]
    assert [first.split()[0], first.split()[3]] == ["0", "inactive"]
    assert [second.split()[0], second.split()[3]] == ["1", "active"]
    assert second.endswith("Simulated CUDA Device")


def test_what_the_driver_says_as_json(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = python(*MODULE, "--json", env=environment(devices=2, foreign="1:1", log=log))
    told = json.loads(process.stdout)
    assert told["driver"] == {"path": "libcuda.so.1", "version": 13000}
    assert [device["active"] for device in told["devices"]] == [False, True]
    assert set(told["devices"][0]) == {"ordinal", "uuid", "pci_bus_id", "name", "active", "flags"}
    calls = {json.loads(line)["function"] for line in log.read_text().splitlines()}
    assert not any("Retain" in call or "Create" in call for call in calls)


def test_no_usable_driver() -> None:
    process = python(*MODULE, "--json", env=environment(devices=0))
    assert process.returncode == 3
    assert json.loads(process.stdout)["error"]["kind"] == "no_device"
    assert process.stderr.startswith("cuda_primary_context: the CUDA driver libcuda.so.1 shows")
    process = python(*MODULE, env=environment(devices=0))
    assert (process.returncode, process.stdout) == (3, "")


def test_wrong_arguments_and_help() -> None:
    assert python(*MODULE, "--wrong", env=environment()).returncode == 2
    process = python(*MODULE, "--help", env=environment(devices=0))
    assert process.returncode == 0 and "Exit status" in process.stdout


def test_the_wheel_needs_nothing() -> None:
    assert requires("cuda-primary-context") is None


def test_the_wheel_has_types_and_licences() -> None:
    names = {Path(str(file)).name for file in files("cuda-primary-context") or []}
    assert {"py.typed", "_native.pyi", "LICENSE-MIT", "LICENSE-APACHE"} <= names
    assert cpc.__version__


def test_the_trace_command_comes_with_the_wheel() -> None:
    """It runs a program and hands on its exit status."""
    trace = Path(sys.prefix, "bin", "cuda-context-trace")
    if not trace.exists():
        pytest.skip("this wheel was built where the package cuda-context-trace is not")
    assert shutil.which("cuda-context-trace", path=str(trace.parent)) == str(trace)
    words = [
        str(trace),
        "--",
        sys.executable,
        "-c",
        "import cuda_primary_context as c; c.retain_only(1); exit(7)",
    ]
    process = subprocess.run(words, env=environment(foreign="0:1"), text=True, capture_output=True)
    assert process.returncode == 7, process.stderr
    assert (
        "cuDevicePrimaryCtx" in process.stdout + process.stderr
        or "device" in process.stdout + process.stderr
    )
