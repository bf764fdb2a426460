"""A line for each device, through `logging`."""

import logging
from typing import List, Tuple

import cuda_primary_context as cpc
from simulated import RELEASE, driver, on_simulator, touch


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: List[Tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


def listen(level: int = logging.DEBUG) -> List[Tuple[str, str]]:
    handler, logger = Kept(), logging.getLogger("cuda_primary_context")
    logger.addHandler(handler)
    logger.setLevel(level)
    return handler.lines


@on_simulator(held_by_others="0:1,2:2", fault=f"{RELEASE}:1:719:refused:once:0")
def test_debug_a_device_and_a_warning_for_a_failure() -> None:
    lines = listen()
    guard = cpc.retain_only(1)
    assert [level for level, _ in lines] == ["WARNING", "DEBUG", "DEBUG", "DEBUG"]
    assert [text for _, text in lines] == [str(device) for device in guard.report.devices]
    assert lines[0][1].startswith(f"device 0: failed, active now: {RELEASE} on device 0 returned")
    assert lines[2][1].startswith("device 2: still active (1 released) (")


@on_simulator()
def test_a_switched_context_is_told() -> None:
    assert driver().cuCtxSetCurrent(touch(2)) == 0
    lines = listen()
    cpc.release_strays()
    assert lines[-1] == ("DEBUG", "this thread's current context, of device 2, was switched")


@on_simulator(fault="cuCtxSetCurrent:2:700:refused:once")
def test_a_context_that_was_not_restored_is_a_warning() -> None:
    context = touch(2)
    touch(2)
    driver().cuCtxPushCurrent_v2(context)
    lines = listen(logging.WARNING)
    guard = cpc.retain_only(1)
    assert guard.report.current_context.change == "not_restored"
    error = guard.report.current_context.error
    assert error is not None and error.code == 700
    assert lines == [
        ("WARNING", f"this thread's current context, of device 2, was not restored: {error}")
    ]


@on_simulator(held_by_others="0:1")
def test_nothing_is_printed_where_nobody_asked() -> None:
    import contextlib
    import io

    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        cpc.retain_only(1)
    assert out.getvalue() == error.getvalue() == ""
