"""What was measured on, and with what."""

import os
import pathlib
import platform
import re
import subprocess


def said(*command):
    """What a command prints, or nothing where it is not there or fails."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None


def describe():
    """The machine; its name is that of its first GPU, or of its processor."""
    text = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    models = re.findall(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    processor = models[0] if models else platform.processor() or platform.machine()
    gpus = said("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    gpus = gpus.splitlines() if gpus else []
    name = gpus[0].split(",")[0] if gpus else processor
    return {
        "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "gpus": gpus,
    }


def versions(peers_python, built):
    lock = pathlib.Path(__file__).resolve().parent.parent / "peers/Cargo.lock"
    of_crates = re.findall(r'name = "(.*)"\nversion = "(.*)"', lock.read_text())
    package = "import importlib.metadata as m; print(m.version('cuda-bindings'))"
    return {
        "compiler": said("rustc", "--version"),
        "cuda-primary-context": dict(of_crates)["cuda-primary-context"],
        "commit": built.commit or said("git", "-C", str(lock.parent), "describe", "--always", "--dirty"),
        "cudarc": dict(of_crates)["cudarc"],
        "cuda-bindings": dict(of_crates)["cuda-bindings"] if built.has_nvidias_crate() else None,
        "python": platform.python_version(),
        "python cuda-bindings": said(peers_python, "-c", package),
    }
