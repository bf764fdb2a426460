"""What a run logs: one line, and a warning with the next step for whatever needs attention."""

import logging
import subprocess
import sys
from typing import List, Tuple

import cuda_primary_context as cpc
from simulated import RELEASE, driver, environment, on_simulator, touch


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: List[Tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


def listen(level: int = logging.INFO) -> List[Tuple[str, str]]:
    handler, logger = Kept(), logging.getLogger("cuda_primary_context")
    logger.addHandler(handler)
    logger.setLevel(level)
    return handler.lines


@on_simulator(held_by_others="0:1")
def test_a_run_is_one_line() -> None:
    lines = listen()
    guard = cpc.retain_only(1)
    assert lines == [("INFO", "kept 1; released 0")] == [("INFO", guard.report.summary)]


FAILS = f"{RELEASE}:1:719:refused:once:0"


def expect_warnings(report: cpc.Report, lines: List[Tuple[str, str]]) -> None:
    outcomes = {device.ordinal: device.outcome for device in report.devices}
    assert (outcomes[0], outcomes[2]) == ("failed", "still_active")
    warnings = [text for level, text in lines if level == "WARNING"]
    assert [text.split(":")[0] for text in warnings] == [
        "Device 0 could not be released",
        "Device 2 is still active",
    ]
    assert "cuda-contexts trace" in warnings[1]


@on_simulator(held_by_others="0:1,2:2", fault=FAILS)
def test_warnings_of_retain_only_have_the_next_step() -> None:
    lines = listen()
    expect_warnings(cpc.retain_only(1).report, lines)


@on_simulator(held_by_others="0:1,2:2", fault=FAILS)
def test_warnings_of_release_strays_have_the_next_step() -> None:
    lines = listen()
    expect_warnings(cpc.release_strays(keep=[1]), lines)


@on_simulator(held_by_others="0:2")
def test_a_second_run_on_a_device_is_a_warning() -> None:
    lines = listen(logging.WARNING)
    cpc.retain_only(1)
    first = len(lines)
    cpc.release_strays(keep=[1])
    again = [text for _, text in lines[first:] if "taken before: 1" in text]
    assert len(again) == 1 and again[0].startswith("An earlier run of this process"), lines


@on_simulator(fault="cuCtxSetCurrent:2:700:refused:once")
def test_a_context_that_was_not_made_current_again_is_a_warning() -> None:
    context = touch(2)
    touch(2)
    driver().cuCtxPushCurrent_v2(context)
    lines = listen(logging.WARNING)
    guard = cpc.retain_only(1)
    error = guard.report.current_context.error
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
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; sys.path[:0] = %r" % sys.path + QUIET],
        env=environment(held_by_others="0:1"),
        text=True,
        capture_output=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
