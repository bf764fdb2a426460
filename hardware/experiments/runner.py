"""Starts every cell in a process of its own and gathers what it wrote. Never touches CUDA itself."""

import argparse
import datetime
import importlib
import importlib.util
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from . import helpers
from .cells import REGISTRY, ended, run_cell

# What takes two GPUs or more; --several runs these in place of the others.
SEVERAL = ("strays", "peers", "communicators", "teardown_together", "teardown_beside", "scaling",
           "visible_devices", "former_life")
EXPERIMENTS = ("header", "fork", "counts", "dead_current", "flags_and_reset", "other_contexts",
               "green_contexts", "dead_or_alive", "teardown", "exit", "symbols", "costs", "call_costs",
               "libraries", "inherited_files", "threads", *SEVERAL)
ALONE = {"E6", "E7", "E8", "E13", "E16", "E19", "E21", "E22", "E23", "E24"}  # they measure time or memory
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "experiments.py")


def load_experiments():
    for module in EXPERIMENTS:
        importlib.import_module(f".{module}", __package__)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="experiments.jsonl", help="file for the JSON lines")
    parser.add_argument("--library", default="libcuda.so.1", help="the driver library to load")
    parser.add_argument("--only", default="", help="experiments, or experiment/cell names: E1,E2,E4/pop")
    parser.add_argument("--quick", action="store_true", help="leave out cells with torch, cupy, numba or jax")
    parser.add_argument("--several", action="store_true",
                        help="what takes two devices or more, in place of the rest")
    parser.add_argument("--programs", default="",
                        help="folder with the built Rust programs: several_gpus, cuda-contexts")
    parser.add_argument("--seconds", type=float, default=0,
                        help="begin no cell after so many seconds (default: no limit)")
    parser.add_argument("--jobs", type=int, default=3,
                        help="cells at once, where they do not measure time or memory (default 3)")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--date", help="date for the header (default: today, UTC)")
    parser.add_argument("--helpers", default="",
                        help="folder with the compiled C helpers (default: they are compiled)")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--log", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def chosen(only, several):
    wanted = [name for name in only.split(",") if name]
    modules = {f"{__package__}.{name}" for name in SEVERAL}
    return [cell for cell in REGISTRY.values() if not cell.hidden
            and (cell.experiment in wanted or cell.key in wanted if wanted
                 else several == (cell.module in modules))]


def reason_to_skip(cell, options):
    """Why a cell cannot run here, or None. Nothing is imported to find out."""
    for need in cell.needs:
        if need == "compiler":
            if not options.helpers:
                return "no C compiler"
        elif options.quick:
            return f"--quick leaves out {need}"
        elif importlib.util.find_spec(need) is None:
            return f"the Python package {need} is not installed"
    return None


def run_in_process(cell, options, directory):
    """Runs one cell; gives its records, the last of which says how it ended."""
    log = os.path.join(directory, cell.key.replace("/", "-") + ".jsonl")
    command = [sys.executable, PROGRAM, "--cell", cell.key, "--log", log,
               "--library", options.library, "--helpers", options.helpers,
               "--programs", options.programs]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **cell.environment}
    with open(log + ".stderr", "wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                   env=environment, start_new_session=True)
        try:
            code = process.wait(cell.timeout)
        except subprocess.TimeoutExpired:
            code = None
        end_session(process)
    records = [json.loads(line) for line in read(log).splitlines()]
    end = {"experiment": cell.experiment, "cell": cell.name, "exit": ended(code)}
    inside = read(log + ".crumb").rstrip("\0 ").rpartition(":")[2]
    if code != 0:
        end["inside_call"] = inside
        end["stderr_end"] = without_paths(read(log + ".stderr")[-2000:])
    return records + [end]


def end_session(process):
    """Ends whatever is left of the session that a cell's process led."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def without_paths(text):
    """Error output with the machine's own directories taken out."""
    for place in (os.path.dirname(PROGRAM), sys.prefix, sys.base_prefix, tempfile.gettempdir()):
        text = text.replace(place, "...")
    return text


def summarise(records):
    """The cell's own line, with what came after it: calls made at exit, a crash."""
    end = records[-1]
    summaries = [number for number, record in enumerate(records) if "summary" in record]
    text = records[summaries[-1]]["summary"] if summaries else "no answer"
    after = records[summaries[-1] + 1:-1] if summaries else []
    late = [f"{r['call']} {r['code']}" for r in after if "call" in r]
    if late:
        text += " | at exit: " + ", ".join(late)
    if end["exit"] != "exit 0":
        where = f" inside {end['inside_call']}" if end.get("inside_call") else ""
        text += f" | PROCESS {end['exit'].upper()}{where}"
    return text


def container_hint():
    """A word on where this runs, for judging fork and /proc results."""
    seen = [word for word, path in (("docker", "/.dockerenv"), ("podman", "/run/.containerenv"))
            if os.path.exists(path)]
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        seen.append("kubernetes")
    groups = read("/proc/1/cgroup")
    seen += [word for word in ("docker", "kubepods", "containerd", "lxc") if word in groups]
    if platform.release() == "4.4.0" or "gVisor" in read("/proc/version"):
        seen.append("gVisor, by its kernel version")
    return ", ".join(dict.fromkeys(seen)) or "none seen"


def header(options, directory):
    """The first line: which machine and which driver answered."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    line = {"header": True, "date": options.date or today, "kernel": platform.release(),
            "kernel_version": platform.version(), "architecture": platform.machine(),
            "python": platform.python_version(), "container": container_hint(),
            "cores": os.cpu_count(), "library": os.path.basename(options.library)}
    for record in run_in_process(REGISTRY["header/header"], options, directory):
        line.update(record.get("note", {}))
    return line


def run_or_skip(cell, options, directory):
    """A cell's records; one that cannot run here gets its reason in words."""
    skip = reason_to_skip(cell, options)
    if options.seconds and time.monotonic() - options.began > options.seconds:
        skip = f"{options.seconds:.0f} s are over"
    if not skip:
        return run_in_process(cell, options, directory)
    line = {"experiment": cell.experiment, "cell": cell.name}
    return [{**line, "summary": f"skipped: {skip}"}, {**line, "exit": "exit 0"}]


def gather(cells, options, directory):
    """Every cell's records in order: neighbours that measure nothing at once, the others alone."""
    for alone, group in itertools.groupby(cells, lambda cell: cell.experiment in ALONE):
        with ThreadPoolExecutor(1 if alone else options.jobs) as pool:
            yield from pool.map(lambda cell: run_or_skip(cell, options, directory), group)


def main(arguments=None):
    options = parse(arguments)
    options.began = time.monotonic()
    load_experiments()
    if options.cell:
        return run_cell(options.cell, options.library, options.log, options.helpers, options.programs)
    cells = chosen(options.only, options.several)
    if options.list:
        for cell in cells:
            print(cell.key, *(f"[needs {need}]" for need in cell.needs))
        return 0
    if "/" in options.library:
        options.library = os.path.abspath(options.library)
    with tempfile.TemporaryDirectory() as directory, open(options.out, "w", encoding="utf-8") as out:
        options.helpers = options.helpers or helpers.build(directory)
        options.programs = options.programs and os.path.abspath(options.programs)
        first = header(options, directory)
        print(json.dumps(first), file=out)
        print("; ".join(f"{key} {value}" for key, value in first.items() if key != "header"))
        for records in gather(cells, options, directory):
            for record in records:
                print(json.dumps(record), file=out)
            out.flush()
            key = f"{records[-1]['experiment']}/{records[-1]['cell']}"
            print(f"{key}: {summarise(records)}", flush=True)
    return 0
