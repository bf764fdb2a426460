"""Threads run on while the driver works, and Ctrl-C during a teardown corrupts nothing."""

import gc
import os
import signal
import threading
import time
from typing import Callable, List

import cuda_primary_context as cpc
import pytest
from simulated import RELEASE, handle_of, on_simulator, references, underflows

TEARDOWN = 0.3
#: Of a thread that had to wait for the driver, once or twice at most.
ENOUGH = 5
SLOW = f"release_microseconds={int(TEARDOWN * 1e6)}"
#: Long enough for others to come to run on a busy machine.
SLOWER = "release_microseconds=1000000"


def work_during(call: Callable[[], object]) -> int:
    """How often this thread came to run while another one made the call."""
    count = 0
    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():
        count += 1
        time.sleep(0.001)
    thread.join()
    return count


@on_simulator(held_by_others="0:1,2:1", knobs=SLOWER)
def test_others_run_during_a_teardown() -> None:
    guards: List[cpc.PrimaryContextGuard] = []
    assert work_during(lambda: guards.append(cpc.retain_only(1, keep=[2]))) > ENOUGH
    assert guards[0].report.devices[0].outcome == "released"
    assert work_during(guards[0].release) > ENOUGH
    assert work_during(cpc.release_strays) > ENOUGH and references(2) == 0
    # Also while garbage is released.
    guards = [cpc.retain_only(1)]
    assert work_during(guards.clear) > ENOUGH and references(1) == 0


@on_simulator(knobs=SLOW)
def test_one_guard_is_released_by_one_thread() -> None:
    guard = cpc.retain_only(1)
    errors: List[BaseException] = []
    barrier = threading.Barrier(4)

    def release() -> None:
        barrier.wait()
        try:
            guard.release()
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard.released and references(1) == 0
    # A thread that comes after the release finds nothing to do.
    assert len(errors) <= 3 and all("nother thread" in str(error) for error in errors)


def interrupt_once_device_1_is_retained() -> None:
    """Presses Ctrl-C when the walk over the other devices has begun."""
    handle_of(1)

    def interrupt() -> None:
        while references(1) == 0:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


@on_simulator(held_by_others="0:1,2:1,3:1", knobs=SLOW)
def test_interrupted_in_a_teardown() -> None:
    """The walk over the devices is finished, the guard that nobody got is given back, once."""
    interrupt_once_device_1_is_retained()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        cpc.retain_only(1)
        time.sleep(10)
    assert time.monotonic() - began >= 3 * TEARDOWN
    assert [references(ordinal) for ordinal in range(4)] == [0, 0, 0, 0]
    assert cpc.unreleased() == 0


@on_simulator(knobs=SLOW)
def test_interrupted_at_the_end_of_a_block() -> None:
    timer = threading.Timer(TEARDOWN / 2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        with cpc.retain_only(1) as guard:
            timer.start()
        time.sleep(10)
    # On a busy machine the interrupt may come before the release has begun.
    del guard
    gc.collect()
    assert references(1) == 0 and cpc.unreleased() == 0 and underflows() == 0


@on_simulator(held_by_others="0:1", knobs=SLOW, fault=f"{RELEASE}:1:719:refused:once:0")
def test_interrupted_and_failed() -> None:
    interrupt_once_device_1_is_retained()
    with pytest.raises(KeyboardInterrupt):
        with cpc.retain_only(1):
            time.sleep(10)
    gc.collect()
    assert [references(ordinal) for ordinal in range(2)] == [1, 0]
    assert cpc.unreleased() == 0 and underflows() == 0
