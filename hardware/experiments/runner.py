"""Starts each cell in a process of its own and prints its line. Never loads the driver itself."""

import argparse
import importlib
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from .cells import REGISTRY, ended, kill_session, run_cell

# Those for several GPUs come first: with one GPU they are skipped at once.
EXPERIMENTS = ("strays", "communicators", "costs", "libraries")
# Cells of these experiments measure time or memory: nothing else runs meanwhile.
ALONE = {"E6", "E7", "E16"}
HERE = os.path.dirname(os.path.abspath(__file__))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python3 -m experiments", description=__doc__)
    parser.add_argument("--library", default="libcuda.so.1", help="the driver library to load")
    parser.add_argument("--only", default="", help="experiments, or experiment/cell names: E1,E3/count-torch")
    parser.add_argument("--programs", default="", help="folder with several_gpus and cuda-contexts")
    parser.add_argument("--seconds", type=float, default=0, help="begins no cell after so many seconds")
    parser.add_argument("--list", action="store_true", help="prints the names of the cells")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--crumb", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def reason_to_skip(cell, options):
    """Why a cell cannot run here, or None. Nothing is imported to find out."""
    if options.seconds and time.monotonic() - options.began > options.seconds:
        return f"the {options.seconds:.0f} s of this part are over"
    for module in cell.needs:
        if importlib.util.find_spec(module) is None:
            return f"the Python package {module} is not installed"
    return None


def run_in_process(cell, options, folder):
    """The line of one cell, with a crash in words."""
    if reason := reason_to_skip(cell, options):
        return f"skipped: {reason}"
    crumb = os.path.join(folder, cell.key.replace("/", "-"))
    command = [sys.executable, "-m", __package__, "--cell", cell.key, "--crumb", crumb,
               "--library", options.library, "--programs", options.programs]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": python_path()}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, errors="replace", env=environment,
                               cwd=os.path.dirname(HERE), start_new_session=True)
    try:
        output, errors = process.communicate(timeout=cell.timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        kill_session(process)
        output, errors = process.communicate()
        code = None
    kill_session(process)
    said = [line.removeprefix("summary: ") for line in output.splitlines() if line.startswith("summary: ")]
    line = said[-1] if said else "no summary"
    if code != 0:
        with open(crumb, encoding="utf-8", errors="replace") as file:
            inside = file.read().strip("\0 ")
        line += f" | PROCESS {ended(code).upper()}{f' inside {inside}' if inside else ''}"
        print(errors[-1500:], file=sys.stderr)
    return line


def python_path():
    return os.pathsep.join(filter(None, [os.path.dirname(HERE), os.environ.get("PYTHONPATH", "")]))


def chosen(only):
    wanted = [name for name in only.split(",") if name]
    return [cell for cell in REGISTRY.values() if not cell.hidden
            and (not wanted or cell.experiment in wanted or cell.key in wanted)]


def main(arguments=None):
    options = parse(arguments)
    options.began = time.monotonic()
    for module in EXPERIMENTS:
        importlib.import_module(f".{module}", __package__)
    if options.cell:
        return run_cell(options.cell, options.library, options.crumb, options.programs)
    cells = chosen(options.only)
    if options.list:
        print("\n".join(cell.key for cell in cells))
        return 0
    if "/" in options.library:
        options.library = os.path.abspath(options.library)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        options.programs = options.programs and os.path.abspath(options.programs)
        for alone, group in itertools.groupby(cells, lambda cell: cell.experiment in ALONE):
            group = list(group)
            with ThreadPoolExecutor(1 if alone else 3) as pool:
                lines = pool.map(lambda cell: run_in_process(cell, options, folder), group)
                for cell, line in zip(group, lines):
                    print(f"{cell.key}: {line}", flush=True)
                    failed += "failed in the experiment itself" in line
    return 1 if failed else 0
