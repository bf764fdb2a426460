"""Builds the wheel: maturin does, and the command cuda-contexts, a program in Rust of the package in
../command, is put into it where that package is there.

With the setting glibc, such as `pip wheel python --config-settings glibc=2.28`, the wheel is for every Linux
with that version or a newer one (manylinux_2_28); Zig links it then. Without it, it is for this machine.
The setting profile names a Cargo profile: with profile=dev, a build takes less time, and the wheel is slower.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Dict

import maturin

HERE = Path(__file__).resolve().parent
COMMAND = "cuda-contexts"
# What lies in this folder is installed beside `python`.
SCRIPTS = HERE / "data" / "scripts"
LINKER = ["ziglang", "cargo-zigbuild"]

Settings = Dict[str, Any]


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    raise RuntimeError(
        "there is no source distribution: build the wheel from a clone of the repository, pip wheel ./python"
    )


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings | None = None
) -> str:
    _check_requirements()
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return str(maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings))


def get_requires_for_build_wheel(config_settings: Settings | None = None) -> list[str]:
    _check_requirements()
    needed = list(maturin.get_requires_for_build_wheel(config_settings))
    return needed + (LINKER if _glibc(config_settings) else [])


def build_wheel(
    wheel_directory: str,
    config_settings: Settings | None = None,
    metadata_directory: str | None = None,
) -> str:
    glibc = _glibc(config_settings)
    profile = (config_settings or {}).get("profile", "release")
    print(f"1 of 2: building the program {COMMAND} in Rust (a minute or more)", file=sys.stderr, flush=True)
    # Symbols name the folders of the compiler. As a variable, it counts for both builds, which share what they need.
    os.environ["CARGO_PROFILE_RELEASE_STRIP"] = "symbols"
    if glibc:
        _forget_this_machines_folders()
    _put_command(glibc, profile)
    arguments = f"--profile {profile}"
    if glibc:
        tag = "manylinux_" + glibc.replace(".", "_")
        arguments += f" --zig --target {_target()} --compatibility {tag} --auditwheel check"
    os.environ["MATURIN_PEP517_ARGS"] = f"{arguments} {os.environ.get('MATURIN_PEP517_ARGS', '')}"
    print("2 of 2: building the Python package in Rust", file=sys.stderr, flush=True)
    return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def _check_requirements() -> None:
    """Says in one line what is missing, before maturin downloads a compiler."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        sys.exit("cuda-primary-context does not support free-threaded CPython: use a build with the GIL.")
    for program, remedy in (("cargo", "Rust 1.85 or newer (https://rustup.rs)"), ("cc", "a C compiler")):
        if shutil.which(program) is None:
            sys.exit(f"cuda-primary-context is built from source, and {program} is missing: install {remedy}.")


def _glibc(settings: Settings | None) -> str | None:
    return (settings or {}).get("glibc")


def _target() -> str:
    return f"{platform.machine()}-unknown-linux-gnu"


def _forget_this_machines_folders() -> None:
    """Messages of a panic name source files; a wheel for others must not name folders of this machine."""
    cargo = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    moved = [(cargo, "cargo"), (str(HERE.parent), ".")]
    flags = [f"--remap-path-prefix={old}={new}" for old, new in moved]
    os.environ["RUSTFLAGS"] = " ".join([os.environ.get("RUSTFLAGS", ""), *flags]).strip()


def _put_command(glibc: str | None, profile: str) -> None:
    """Builds the command and puts it where maturin looks for it; without the package, clears that place."""
    shutil.rmtree(SCRIPTS, ignore_errors=True)
    SCRIPTS.mkdir(parents=True)
    workspace = HERE.parent
    if not (workspace / "command" / "Cargo.toml").is_file():
        return
    target = Path(os.environ.get("CARGO_TARGET_DIR") or workspace / "target").absolute()
    cargo, built = ["cargo", "build"], target
    if glibc:
        cargo, built = ["cargo", "zigbuild", "--target", f"{_target()}.{glibc}"], target / _target()
    subprocess.run([*cargo, "--profile", profile, "--package", COMMAND], cwd=workspace, check=True)
    shutil.copy2(built / ("debug" if profile == "dev" else profile) / COMMAND, SCRIPTS / COMMAND)
