"""A process that a row works with: `target.py KIND [NUMBER...]`, with a kind of kinds.py or workers.py.

It prints one JSON line when it is ready, and one for each command that it reads: `check` works and returns whether
the result is right. It ends with its input.
"""

import json
import os
import sys

from kinds import KINDS
from workers import WORKERS


def show(result):
    print(json.dumps(result), flush=True)


def main():
    kind, *numbers = sys.argv[1:]
    try:
        made = {**KINDS, **WORKERS}[kind](*map(float, numbers))
    except (ImportError, NotImplementedError) as missing:
        return show({"missing": str(missing)})
    commands = made if isinstance(made, dict) else {"check": made}
    show({"ready": os.getpid()})
    for line in sys.stdin:
        try:
            result = commands[line.strip()]()
        except ImportError as missing:
            result = {"missing": str(missing)}
        except Exception as error:
            result = {"ok": False, "error": repr(error)}
        show(result if isinstance(result, dict) else {"ok": bool(result)})
    # What a kind left behind may end the process when it is freed.
    os._exit(0)


main()
