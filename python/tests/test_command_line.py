"""`python -m cuda_primary_context`, and the command that comes with the wheel."""

import json
import subprocess
import sys
from importlib.metadata import files, requires, version
from pathlib import Path

import cuda_primary_context as cpc
import pytest
from simulated import HERE, environment, python

MODULE = ["-m", "cuda_primary_context"]


def test_what_the_driver_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = environment(devices=2, held_by_others="1:1", log=log)
    process = python(*MODULE, env=env)
    assert (process.returncode, process.stderr) == (0, "")
    driver, heading, first, second = process.stdout.splitlines()
    assert driver == "driver libcuda.so.1 (CUDA 13.0)"
    assert heading.split() == ["device", "UUID", "PCI", "address", "context", "name"]
    assert [first.split()[0], first.split()[3]] == ["0", "inactive"]
    assert [second.split()[0], second.split()[3]] == ["1", "active"]
    assert second.endswith("Simulated CUDA Device")

    found = json.loads(python(*MODULE, "--json", env=env).stdout)
    assert found["driver"] == {"path": "libcuda.so.1", "version": 13000}
    assert [device["active"] for device in found["devices"]] == [False, True]
    assert set(found["devices"][1]) == {"ordinal", "uuid", "pci_bus_id", "name", "active", "flags"}
    calls = {json.loads(line)["function"] for line in log.read_text().splitlines()}
    assert not any("Retain" in call or "Create" in call for call in calls)


def test_no_usable_driver_wrong_arguments_and_help() -> None:
    env = environment(devices=0)
    process = python(*MODULE, "--json", env=env)
    assert process.returncode == 3
    assert json.loads(process.stdout)["error"]["kind"] == "no_device"
    assert process.stderr.startswith("cuda_primary_context: The CUDA driver libcuda.so.1 shows")
    process = python(*MODULE, env=env)
    assert (process.returncode, process.stdout) == (3, "")
    assert python(*MODULE, "--wrong", env=env).returncode == 2
    process = python(*MODULE, "--help", env=env)
    assert process.returncode == 0
    for words in ("Exit status", "suspend", "resume", "ps", "trace", "run"):
        assert words in process.stdout


def test_the_wheel_needs_nothing_and_has_types_and_licences() -> None:
    assert requires("cuda-primary-context") is None
    names = {Path(str(file)).name for file in files("cuda-primary-context") or []}
    assert {"py.typed", "_native.pyi", "LICENSE-MIT", "LICENSE-APACHE"} <= names
    assert cpc.__version__ == version("cuda-primary-context")


TRACED = """
import cuda_primary_context as cpc
from simulated import touch
touch(0)
guard = cpc.retain_only(1)
held = guard.report.devices[0].holders
assert [(holder.references, holder.taken) for holder in held] == [(1, 1)], held
assert [holder.library for holder in cpc.holders(1)] == [cpc._native.__file__], cpc.holders(1)
assert "released: " in str(guard.report)
raise SystemExit(7)
"""


def test_the_trace_command_comes_with_the_wheel() -> None:
    """It hands on the exit status, and says who made each context: by it, reports know who held what."""
    trace = Path(sys.prefix, "bin", "cuda-contexts")
    if not trace.exists():
        pytest.skip("this wheel was built where the package cuda-contexts is not")
    env = environment()
    words = ["trace", "--driver", f"{env['LD_LIBRARY_PATH']}/libcuda.so.1", "--", sys.executable, "-c", TRACED]
    for command in ([str(trace)], [sys.executable, *MODULE]):
        process = subprocess.run([*command, *words], env=env, cwd=HERE, text=True, capture_output=True, timeout=120)
        assert process.returncode == 7, process.stderr
        assert "_native.abi3.so" in process.stderr, process.stderr
    code = "import cuda_primary_context as c; print(c.holders(0), c.retain_only(1).report.devices[1].holders)"
    process = python("-c", code, env=env)
    assert process.stdout == "None None\n", process.stderr


RUN_VERB = """
import sys, sysconfig
folder = sys.argv.pop(1)
sysconfig.get_path = lambda name: folder
from cuda_primary_context import __main__
sys.exit(__main__.main())
"""


def test_the_programs_verbs_run_it_or_say_how_to_install_it(tmp_path: Path) -> None:
    program = tmp_path / "cuda-contexts"
    program.write_text('#!/bin/sh\necho "given: $*"\nexit 5\n')
    program.chmod(0o755)
    env = {**environment(), "PATH": "/usr/bin:/bin"}
    for verb in ("ps", "trace", "run"):
        found = python("-c", RUN_VERB, str(tmp_path), verb, "--json", env=env)
        assert (found.returncode, found.stdout) == (5, f"given: {verb} --json\n"), found.stderr
        missing = python("-c", RUN_VERB, "/nowhere", verb, env=env)
        assert missing.returncode == 3 and "cargo install --locked --path command" in missing.stderr


BUILD = """
import sys, sysconfig, types
sys.modules["maturin"] = types.ModuleType("maturin")
sys.path.insert(0, "..")
import backend
if sys.argv[1:]:
    sysconfig.get_config_var = lambda name: name == "Py_GIL_DISABLED"
backend.{hook}
"""


@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel()", "prepare_metadata_for_build_wheel('x')"])
def test_a_build_says_in_one_line_what_is_missing(hook: str) -> None:
    env = {**environment(), "PATH": "/nowhere"}
    for arguments, missing in (([], "cargo is missing: install Rust 1.85"), (["free"], "free-threaded CPython")):
        process = python("-c", BUILD.replace("{hook}", hook), *arguments, env=env)
        assert process.returncode == 1 and missing in process.stderr, process.stderr
        assert len(process.stderr.splitlines()) == 1, process.stderr
