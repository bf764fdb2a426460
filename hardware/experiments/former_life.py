"""E25: safe code of others (cudarc) with objects of a context that was released and retained again."""

import functools

from .cells import cell

USES = ("nothing", "bind", "synchronize-context", "synchronize-stream", "copy-to-host", "copy-to-device",
        "new-stream", "drop-memory", "drop-stream")


def use(run, name):
    """What each step returned, or where the process died."""
    program = run.program("several_gpus")
    run.devices(1)
    how, lines = run.start([program, "former-life", name], 30)
    # The table of the release stands before.
    start = next((number for number, line in enumerate(lines) if line.startswith("released:")), 0)
    return f"{how}; {'; '.join(lines[start:])}"


for used in USES:
    cell("E25", f"cudarc-{used}", timeout=40)(functools.partial(use, name=used))
