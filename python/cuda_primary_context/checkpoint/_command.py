"""``python -m cuda_primary_context suspend|resume``: processes by their ids, with progress."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ..errors import CheckpointError, Error, NvmlError
from . import TRUSTED, Process, Room, StepReport, memory_of, recover, suspend, tree

FAILED, WRONG_ARGUMENTS, NOTHING_TO_USE = 1, 2, 3
WIDTH = 20


def add_commands(commands: Any) -> None:
    """Adds both commands to a parser's subcommands."""
    suspending = commands.add_parser("suspend", help="move processes off their GPUs, all at once")
    resuming = commands.add_parser("resume", help="bring them back, whatever left them suspended or locked")
    for parser in (suspending, resuming):
        parser.add_argument("pids", nargs="*", type=int, metavar="PID", help="a process")
        parser.add_argument("--tree", type=int, metavar="PID", help="a process and its descendants that use CUDA")
        parser.add_argument("--at-once", type=int, metavar="N", help="how many at once [default: all]")
    suspending.add_argument("--timeout", type=float, default=10, metavar="SECONDS", help="for each lock [default: 10]")
    suspending.set_defaults(run=_suspend)
    needs = "what the processes had on a GPU, by its unique id: suspend prints it"
    resuming.add_argument("--needs", action="append", type=_needs, default=[], metavar="GPU=BYTES", help=needs)
    resuming.add_argument("--force", action="store_true", help="do not check the room; without room a process is lost")
    resuming.set_defaults(run=_resume)


def _needs(text: str) -> tuple[str, int]:
    device, _, number = text.partition("=")
    return device, int(number)


def _processes(arguments: argparse.Namespace) -> list[int]:
    """The ids that were given, and those of the tree's processes that use CUDA."""
    pids = list(arguments.pids)
    if arguments.tree is not None:
        for process in tree(arguments.tree):
            try:
                if process.pid not in pids and Process(process.pid).state():
                    pids.append(process.pid)
            except CheckpointError as error:
                # It does not use CUDA, or has ended meanwhile.
                if error.kind not in ("ended", "no_such_process") and error.code != 3:
                    raise
    if not pids:
        raise ValueError("No process is named that uses CUDA. Name it by its id, or by --tree.")
    return pids


def _suspend(arguments: argparse.Namespace) -> int:
    pids = _processes(arguments)
    needs: Counter[str] = Counter()
    sizes: dict[int, int] = {}
    unknown: NvmlError | None = None
    try:
        for pid in pids:
            memory = memory_of(pid)
            sizes[pid] = sum(memory.values())
            needs.update(memory)
    except NvmlError as error:
        unknown = error
    with progress("suspending", len(pids), sizes) as hear:
        suspend(pids, timeout=arguments.timeout, at_once=arguments.at_once, on_step=hear)
    room = "".join(f" --needs {device}={size}" for device, size in needs.items())
    if unknown:
        say(f"Room for the restore cannot be checked: {unknown}.")
        room = " --force"
    print(f"resume with: python -m cuda_primary_context resume {' '.join(map(str, pids))}{room}")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    pids = _processes(arguments)
    if not arguments.needs and not arguments.force:
        say("resume needs --needs GPU=BYTES, as suspend printed it, or --force.")
        return NOTHING_TO_USE
    room: Room = TRUSTED if arguments.force else dict(arguments.needs)
    with progress("resuming", len(pids), {}) as hear:
        reports = recover(pids, room=room, at_once=arguments.at_once, on_step=hear)
    for report in reports:
        print(f"process {report.pid} is {report.state or 'without CUDA'}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit status."""
    # What a step began is undone then, as for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(arguments.run(arguments))
    except ValueError as error:
        say(str(error))
        return WRONG_ARGUMENTS
    except CheckpointError as error:
        say(str(error))
        for report in error.reports:
            say(f"Process {report.pid} is {report.state or 'in an unknown state'} now.")
        return FAILED
    except (Error, OSError) as error:
        say(str(error))
        return NOTHING_TO_USE


def say(message: str) -> None:
    print(f"cuda_primary_context: {message}", file=sys.stderr)


@contextmanager
def progress(doing: str, processes: int, sizes: dict[int, int]) -> Iterator[Callable[[int, StepReport], None]]:
    """Prints a line for every step, and draws a bar on a terminal."""
    done, began, ended = 0, time.monotonic(), threading.Event()
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""

    def hear(pid: int, step: StepReport) -> None:
        nonlocal done
        done += 1
        moves = step.step in ("checkpoint", "restore") and pid in sizes
        size = f", {sizes[pid] / 1e9:.1f} GB" if moves else ""
        line = f"process {pid}: {step.step}{' failed' if step.error else ''}{size}"
        undoing = " (undoing)" if step.undoing else ""
        # One write, so that the lines of two threads do not mix.
        sys.stderr.write(f"{clear}{line}, {step.milliseconds / 1e3:.1f} s{undoing}\n")
        sys.stderr.flush()

    def draw() -> None:
        while not ended.wait(0.2):
            filled = WIDTH * min(done, 2 * processes) // (2 * processes)
            bar = "#" * filled + "." * (WIDTH - filled)
            seconds = time.monotonic() - began
            print(f"\r{doing} [{bar}] {seconds:.1f} s ", end="", file=sys.stderr, flush=True)

    drawing = threading.Thread(target=draw, daemon=True)
    if clear:
        drawing.start()
    try:
        yield hear
    finally:
        ended.set()
        if clear:
            drawing.join()
            print(clear, end="", file=sys.stderr, flush=True)
