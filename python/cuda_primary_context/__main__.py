"""``python -m cuda_primary_context [--json]`` prints what this machine's driver says; ``suspend`` and ``resume``
move processes off their GPUs and back; ``ps``, ``trace`` and ``run`` are those of the program cuda-contexts."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import sysconfig

from .checkpoint import _command
from . import Context, Device, Driver, Error, contexts, devices, driver

PROGRAM = "cuda-contexts"
VERBS = {
    "ps": "list the processes that hold contexts",
    "trace": "run a program and say who made each context",
    "run": "run a program whose new threads keep its device",
}


def main() -> int:
    if sys.argv[1:] and sys.argv[1] in VERBS:
        return _run_program(sys.argv[1:])
    parser = argparse.ArgumentParser(
        prog="python -m cuda_primary_context",
        description="Prints the CUDA driver and the devices that it shows this process, or suspends and resumes "
        "processes. Creates no context.",
        epilog="Exit status: 0 no failure, 1 a process failed, 2 the arguments are wrong, 3 there is no usable "
        "driver or no way to check the room.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    commands = parser.add_subparsers(metavar="|".join(["suspend", "resume", *VERBS]))
    _command.add_commands(commands)
    for verb, does in VERBS.items():
        commands.add_parser(verb, help=f"{does} ({PROGRAM} {verb})")
    arguments = parser.parse_args()
    if hasattr(arguments, "run"):
        return _command.run(arguments)
    as_json = arguments.json
    try:
        found = driver(), devices(), contexts()
    except Error as error:
        print(f"cuda_primary_context: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps({"error": error.to_dict()}))
        return _command.NOTHING_TO_USE
    print(_object(*found) if as_json else _table(*found))
    return 0


def _run_program(arguments: list[str]) -> int:
    """Replaces this process with the program, if it is installed beside this Python or on ``PATH``."""
    folders = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    program = shutil.which(PROGRAM, path=os.pathsep.join(folders))
    if program is None:
        how = "In a clone of the repository, run cargo install --locked --path command"
        print(f"cuda_primary_context: {PROGRAM} is not installed. {how}.", file=sys.stderr)
        return _command.NOTHING_TO_USE
    os.execv(program, [program, *arguments])


def _object(of: Driver, named: tuple[Device, ...], found: tuple[Context, ...]) -> str:
    contexts = {context.ordinal: context.to_dict() for context in found}
    inactive = {"active": False}
    lines = [{**device.to_dict(), **contexts.get(device.ordinal, inactive)} for device in named]
    return json.dumps({"driver": of.to_dict(), "devices": lines})


def _table(of: Driver, named: tuple[Device, ...], found: tuple[Context, ...]) -> str:
    row = "{:>6}  {:<40}  {:<12}  {:<8}  {}".format
    version = f"{of.version // 1000}.{of.version % 1000 // 10}"
    lines = [f"driver {of.path} (CUDA {version})", row("device", "UUID", "PCI address", "context", "name")]
    states = {context.ordinal: context.active for context in found}
    for device in named:
        context = {True: "active", False: "inactive", None: "unknown"}[states.get(device.ordinal, False)]
        columns = (device.uuid, device.pci_bus_id, context, device.name)
        lines.append(row(device.ordinal, *(each or "unknown" for each in columns)))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
