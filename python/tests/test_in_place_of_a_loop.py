"""The worker's function, on eight devices, and side by side with the loop that it replaces."""

import json

from pathlib import Path
from typing import Any, List

import cuda_primary_context as cpc
import pytest
from loop_by_ctypes import release_by_ctypes
from simulated import RELEASE, environment, is_active, on_simulator, python, touch
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


def test_workers_forked_after_cuda_was_touched_are_told_so() -> None:
    status, found = workers("--start", "fork", "--touch-first")
    assert status == 1 and len(found) == 8
    for worker in found:
        assert worker["error"] == "ForkedAfterInitError"
        assert "Start workers with spawn or exec" in worker["message"]


def test_the_function_is_where_the_pull_request_has_it() -> None:
    text = EXAMPLE.read_text()
    body = text.split("def _release_stale_cuda_primary_contexts(local_rank: int)")[1].split("\n\n")[0]
    assert len(body.splitlines()) == 3
    assert text.split("def init_device")[1].split("\n\n")[0].splitlines()[1:] == [
        "        set_device(self.local_rank)",
        "        return _release_stale_cuda_primary_contexts(self.local_rank)",
    ]


@on_simulator(devices=8, held_by_others="0:1,3:2")
def test_the_loop_says_released_of_a_device_that_stays_active() -> None:
    assert release_by_ctypes(1) == [
        "Released stale CUDA primary context for device 0",
        "Released stale CUDA primary context for device 3",
    ]
    assert not is_active(0) and is_active(3)


@on_simulator(devices=8, held_by_others="0:1,3:2")
def test_the_report_says_that_it_stays_active() -> None:
    report = cpc.release_strays(keep=[1])
    assert [report.devices[0].outcome, report.devices[3].outcome] == ["released", "still_active"]
    assert not is_active(0) and is_active(3)


REFUSED = f"{RELEASE}:1:700:refused:once:3,cuDevicePrimaryCtxRelease:1:700:refused:once:3"


@on_simulator(devices=8, held_by_others="3:1", fault=REFUSED)
def test_the_loop_says_released_where_the_driver_refused() -> None:
    assert release_by_ctypes(1) == ["Released stale CUDA primary context for device 3"]
    assert is_active(3)


@on_simulator(devices=8, held_by_others="3:1", fault=REFUSED)
def test_the_report_says_what_the_driver_answered() -> None:
    line = cpc.release_strays(keep=[1]).devices[3]
    assert (line.outcome, line.active) == ("failed", True)
    assert line.error is not None and line.error.code == 700 and is_active(3)


@on_simulator(devices=8)
def test_in_a_forked_child_the_loop_does_nothing_and_says_nothing() -> None:
    touch(0)

    def child() -> None:
        assert release_by_ctypes(1) == []
        with pytest.raises(cpc.ForkedAfterInitError, match="spawn or exec"):
            cpc.release_strays(keep=[1])

    in_a_forked_child(child)
    assert is_active(0)
