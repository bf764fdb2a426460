"""Promise 12: no exception and no death of the controller leaves a process locked or checkpointed for good."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import Iterator, List, Type

import pytest
from cuda_primary_context import checkpoint
from cuda_primary_context.checkpoint import TRUSTED, Locked, Process
from simulated import python
from targets import MACHINE, on_a_machine, states, target


class Raised(BaseException):
    """What no ``except Exception`` catches."""


EXCEPTIONS = (KeyboardInterrupt, SystemExit, TimeoutError, Raised)


@contextmanager
def raising(error: Type[BaseException], seconds: float) -> Iterator[None]:
    """A signal whose handler raises this, so many seconds later."""

    def handler(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def by_blocks(pids: List[int]) -> None:
    for pid in pids:
        with Process(pid).lock(timeout=10) as locked:
            with locked.checkpoint():
                pass


def by_hand(pids: List[int]) -> None:
    for pid in pids:
        with Process(pid).lock(timeout=10) as locked:
            locked.checkpoint().restore(room=TRUSTED).unlock()


def as_a_group(pids: List[int]) -> None:
    with checkpoint.suspend(pids, timeout=10, at_once=1):
        pass


def as_a_group_that_is_observed(pids: List[int]) -> None:
    with checkpoint.suspend(pids, timeout=10, on_step=lambda pid, step: time.sleep(0.001)):
        pass


CYCLES = (by_blocks, by_hand, as_a_group, as_a_group_that_is_observed)


@on_a_machine(knobs="checkpoint_milliseconds=40,restore_milliseconds=40")
def test_promise_12_no_exception_during_a_step_leaves_a_process_behind() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second:
        pids = [first.pid, second.pid]
        for cycle in CYCLES:
            for error in EXCEPTIONS:
                # In the checkpoint of each of the two, and in the restore of each.
                for seconds in (0.02, 0.06, 0.1, 0.14):
                    try:
                        with raising(error, seconds):
                            cycle(pids)
                            time.sleep(10)
                    except error:
                        pass
                    assert states(*pids) == ["running"] * 2, (cycle, error, seconds, states(*pids))


@on_a_machine()
def test_promise_12_no_exception_between_steps_leaves_a_process_behind() -> None:
    with target(MACHINE, 0) as process:
        for cycle in CYCLES:
            began = time.perf_counter()
            cycle([process.pid])
            took = time.perf_counter() - began
            for number in range(150):
                error = EXCEPTIONS[number % len(EXCEPTIONS)]
                try:
                    # Not 0, which would set no timer.
                    with raising(error, took * number / 120 + 1e-6):
                        cycle([process.pid])
                except error:
                    pass
                assert states(process.pid) == ["running"], (cycle, error, number)


def locked_and_interrupted(handle: Process) -> Locked:
    """Its lock ends with a signal, as it does if that came during the driver's call."""
    try:
        return handle.lock(timeout=10)
    finally:
        signal.raise_signal(signal.SIGALRM)


@on_a_machine()
def test_promise_12_no_exception_in_a_lock_leaves_a_process_behind() -> None:
    with target(MACHINE, 0) as process:
        for error in EXCEPTIONS:
            handle = Process(process.pid)
            with raising(error, 100), pytest.raises(error):
                locked_and_interrupted(handle)
            assert handle.state() == "running"


@on_a_machine(knobs="checkpoint_milliseconds=300")
def test_promise_12_a_controller_that_dies_is_recovered_from() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second, target(MACHINE) as without:
        pids = [first.pid, second.pid]
        for at_once, left in (("1", ["checkpointed", "locked"]), ("2", ["checkpointed"] * 2)):
            code = (
                "from cuda_primary_context import checkpoint\n"
                f"die = lambda pid, step: step.step == 'checkpoint' and __import__('os')._exit(0)\n"
                f"checkpoint.suspend({pids}, timeout=10, at_once={at_once}, on_step=die)"
            )
            assert python("-c", code, env=dict(os.environ)).returncode == 0
            deadline = time.monotonic() + 10
            while states(*pids) != left and time.monotonic() < deadline:
                time.sleep(0.01)
            # Processes without CUDA, and those that have ended, are no hindrance.
            ended = subprocess.Popen(["true"])
            ended.wait()
            reports = checkpoint.recover([*pids, without.pid, ended.pid])
            assert [report.state for report in reports] == ["running"] * 2 + [None]
            assert states(*pids) == ["running"] * 2
