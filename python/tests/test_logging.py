"""What a run logs: one line, and a warning with the next step for whatever needs attention."""

import logging
import subprocess
import sys
from typing import List, Tuple

import cuda_primary_context as cpc
from simulated import RELEASE, driver, environment, on_simulator, touch


def listen() -> List[Tuple[str, str]]:
    lines: List[Tuple[str, str]] = []
    handler, logger = logging.Handler(), logging.getLogger("cuda_primary_context")
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return lines


@on_simulator(held_by_others="0:2,2:3", fault=f"{RELEASE}:1:719:refused:once:0,{RELEASE}:2:719:refused:once:0")
def test_a_run_is_one_line_and_warnings_have_the_next_step() -> None:
    lines = listen()
    first = cpc.retain_only(1).report
    (level, summary), *warnings = lines
    assert (level, summary) == ("INFO", first.summary)
    assert [(level, text.split(":")[0]) for level, text in warnings] == [
        ("WARNING", "Device 0 could not be released"),
        ("WARNING", "Device 2 is still active"),
    ]
    assert "cuda-contexts trace" in warnings[1][1]

    lines.clear()
    second = cpc.release_strays(keep=[1])
    assert lines[:2] == [
        ("INFO", second.summary),
        ("WARNING", f"Device 0 could not be released: {second.devices[0].error}"),
    ]
    assert [text.split(":")[0] for _, text in lines[1:]] == [
        "Device 0 could not be released",
        "Device 2 is still active",
        "An earlier run of this process released a reference on device 2 already (taken before",
    ]
    assert "taken before: 1" in lines[3][1]


@on_simulator(fault="cuCtxSetCurrent:2:700:refused:once")
def test_a_context_that_was_not_made_current_again_is_a_warning() -> None:
    context = touch(2)
    touch(2)
    driver().cuCtxPushCurrent_v2(context)
    lines = listen()
    error = cpc.retain_only(1).report.current_context.error
    assert error is not None and error.code == 700
    expected = f"This thread's current context, of device 2, was not made current again: {error}"
    assert ("WARNING", expected) in lines


QUIET = """
import sys, cuda_primary_context as cpc
cpc.retain_only(1).release()
slow = {"logging", "inspect", "dataclasses", "json", "typing", "ctypes", "enum"}
assert not slow & sys.modules.keys(), slow & sys.modules.keys()
"""


def test_a_run_without_warnings_imports_nothing_and_prints_nothing() -> None:
    words = [sys.executable, "-S", "-c", "import sys; sys.path[:0] = %r" % sys.path + QUIET]
    run = subprocess.run(words, env=environment(held_by_others="0:1"), text=True, capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
