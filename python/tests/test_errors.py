"""Each way to have no usable driver is an error of its own, with the fix in its text."""

import subprocess
from pathlib import Path
from typing import Any, Dict, List

import cuda_primary_context as cpc
import pytest
from simulated import RETAIN, environment, library, python


def error_with(folder: str, **settings: Any) -> List[str]:
    """What `retain_only(0)` raises with the driver of a folder: class, attributes, text."""
    code = (
        "import cuda_primary_context as cpc\n"
        "try: cpc.retain_only(0)\n"
        "except cpc.Error as error:\n"
        "    print(type(error).__name__, error.call, error.device, error.code, error.name, sep='\\n')\n"
        "    print(error)"
    )
    process = python("-c", code, env=environment(folder=folder, **settings))
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_no_driver(tmp_path: Path) -> None:
    # A library in another format stands in the way of the machine's own driver, if it has one.
    (tmp_path / "libcuda.so.1").write_text("nonsense")
    kind, *attributes, text = error_with(str(tmp_path))
    assert (kind, attributes) == ("DriverNotFoundError", ["None"] * 4)
    assert "libcuda.so.1 comes with NVIDIA's driver" in text


def test_not_a_driver(tmp_path: Path) -> None:
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n")
    subprocess.run(["gcc", "-shared", "-o", tmp_path / "libcuda.so.1", source], check=True)
    kind, *_, text = error_with(str(tmp_path))
    assert kind == "NotADriverError" and "has no cuInit" in text


NO = "None None None None"
OLD = ["--driver-version", "10020"]
WITHOUT = ["--without", "cuDevicePrimaryCtxGetState"]
STUB = "any:1:34:refused:from_then_on"


@pytest.mark.parametrize(
    "options, settings, kind, attributes, words",
    [
        ([], {"fault": STUB}, "StubLibraryError", "cuInit None 34 CUDA_ERROR_STUB_LIBRARY", "LD_LIBRARY_PATH"),
        ([], {"devices": 0}, "NoDeviceError", "cuInit None 100 CUDA_ERROR_NO_DEVICE", "CUDA_VISIBLE_DEVICES"),
        (OLD, {}, "DriverTooOldError", NO, "Install a newer driver"),
        (WITHOUT, {}, "FunctionMissingError", NO, "has no cuDevicePrimaryCtxGetState"),
        ([], {"fault": f"{RETAIN}:1:2:refused:once"}, "DriverError", f"{RETAIN} 0 2 CUDA_ERROR_OUT_OF_MEMORY", "on device 0 returned"),
        ([], {"fault": f"{RETAIN}:1:777777:refused:once"}, "DriverError", f"{RETAIN} 0 777777 None", "777777"),
    ],
)
def test_driver(options: List[str], settings: Dict[str, Any], kind: str, attributes: str, words: str) -> None:
    found, *attributes_found, text = error_with(library(*options), **settings)
    assert (found, " ".join(attributes_found)) == (kind, attributes) and words in text


def test_a_failed_load_is_tried_anew() -> None:
    code = (
        "import cuda_primary_context as cpc\n"
        "try: cpc.driver()\n"
        "except cpc.DriverError as error: print(error.code)\n"
        "print(cpc.driver().version)"
    )
    process = python("-c", code, env=environment(fault="cuInit:1:999:refused:once"))
    assert process.stdout.split() == ["999", "13000"], process.stderr


def test_all_are_errors_of_this_package() -> None:
    classes: Dict[str, Any] = {name: each for name, each in vars(cpc).items() if name.endswith("Error")}
    assert len(classes) == 20
    for name, each in classes.items():
        assert issubclass(each, cpc.Error) and each.__doc__, name
        assert str(each("text")) == "text"
