"""The worker's function on eight devices, and side by side with the loop of ctypes calls that it replaces."""

import ctypes
import json
from pathlib import Path
from typing import Any, List

import cuda_primary_context as cpc
import pytest
from simulated import RELEASE, driver, environment, handle_of, is_active, on_simulator, python, touch
from test_processes import in_a_forked_child

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "vllm_worker.py"


def workers(*arguments: str) -> "tuple[int, List[Any]]":
    process = python(str(EXAMPLE), "--workers", "8", *arguments, env=environment(devices=8))
    assert process.returncode in (0, 1) and process.stdout, process.stderr
    return process.returncode, [json.loads(line) for line in process.stdout.splitlines()]


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_each_worker_touches_every_device_and_keeps_its_own(start: str) -> None:
    status, found = workers("--start", start)
    assert status == 0
    for rank, worker in enumerate(found):
        # Its own device was touched twice, every other one once.
        assert worker["left"] == [rank]
        assert worker["outcomes"] == ["left_alone" if each == rank else "released" for each in range(8)]


def test_workers_forked_after_cuda_was_touched_get_an_error() -> None:
    status, found = workers("--start", "fork", "--touch-first")
    assert status == 1 and len(found) == 8
    for worker in found:
        assert worker["error"] == "ForkedAfterInitError"
        assert "Start workers with spawn or exec" in worker["message"]


def loop(kept: int) -> List[int]:
    """The loop of vLLM's pull request 42874, which calls a device released if the release was called."""
    released: List[int] = []
    count, flags, active = ctypes.c_int(), ctypes.c_uint(), ctypes.c_int()
    if driver().cuInit(0) != 0:
        return released
    driver().cuDeviceGetCount(ctypes.byref(count))
    for ordinal in range(count.value):
        handle = handle_of(ordinal)
        driver().cuDevicePrimaryCtxGetState(handle, ctypes.byref(flags), ctypes.byref(active))
        if ordinal != kept and active.value:
            driver().cuDevicePrimaryCtxRelease(handle)
            released.append(ordinal)
    return released


REFUSED = f"{RELEASE}:1:700:refused:once:4,cuDevicePrimaryCtxRelease:1:700:refused:once:4"


@on_simulator(devices=8, held_by_others="0:1,3:2,4:1", fault=REFUSED)
def test_the_loop_calls_devices_released_that_stay_active() -> None:
    assert loop(1) == [0, 3, 4]
    assert [is_active(ordinal) for ordinal in (0, 3, 4)] == [False, True, True]


@on_simulator(devices=8, held_by_others="0:1,3:2,4:1", fault=REFUSED)
def test_the_report_has_the_state_of_each_device() -> None:
    devices = cpc.release_strays(keep=[1]).devices
    assert [devices[each].outcome for each in (0, 3, 4)] == ["released", "still_active", "failed"]
    assert devices[4].active and devices[4].error is not None and devices[4].error.code == 700
    assert [is_active(ordinal) for ordinal in (0, 3, 4)] == [False, True, True]


@on_simulator(devices=8)
def test_in_a_forked_child_the_loop_does_nothing_and_says_nothing() -> None:
    touch(0)

    def child() -> None:
        assert loop(1) == []
        with pytest.raises(cpc.ForkedAfterInitError, match="spawn or exec"):
            cpc.release_strays(keep=[1])

    in_a_forked_child(child)
    assert is_active(0)
