"""Forked children, spawned workers, the end of the interpreter, a second interpreter."""

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any, Callable, List, Tuple

import cuda_primary_context as cpc
import pytest
from simulated import HERE, environment, on_simulator, python, references, touch


def in_a_forked_child(check: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            check()
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def refuses_everything() -> None:
    calls: List[Callable[[], Any]] = [
        lambda: cpc.retain_only(1),
        cpc.release_strays,
        cpc.plan,
        cpc.contexts,
        cpc.devices,
        cpc.driver,
        cpc.unreleased,
        lambda: cpc.holders(0),
    ]
    for call in calls:
        with pytest.raises(cpc.ForkedAfterInitError, match="spawn or exec") as raised:
            call()
        assert (raised.value.code, raised.value.name) == (3, "CUDA_ERROR_NOT_INITIALIZED")


@on_simulator(held_by_others="0:1")
def test_a_child_forked_after_this_package_was_used() -> None:
    guard = cpc.retain_only(1, keep=[0])
    report = guard.report

    def child() -> None:
        nonlocal guard
        refuses_everything()
        with pytest.raises(cpc.ForkedAfterInitError, match=f"in process {os.getppid()}"):
            guard.release()
        assert guard.report == report and report.to_dict()["devices"][0]["uuid"]
        del guard

    in_a_forked_child(child)
    assert references(1) == 1 and references(0) == 1
    guard.release()
    assert references(1) == 0


@on_simulator()
def test_a_child_forked_after_others_had_initialised_cuda() -> None:
    touch(0)
    in_a_forked_child(refuses_everything)


def work(rank: int) -> Tuple[cpc.Report, cpc.Error]:
    """As the README has it, for plain ``multiprocessing``; and an error on its way back."""
    touch(0)
    touch(rank)
    report = cpc.release_strays(keep=[rank])
    try:
        cpc.retain_only(99)
    except cpc.Error as error:
        return report, error
    raise AssertionError


@on_simulator(devices=3)
def test_spawned_workers_return_reports_and_errors() -> None:
    touch(2)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        for report, error in pool.map(work, [1, 2]):
            assert report.devices[0].outcome == "released"
            assert type(error) is cpc.NoSuchDeviceError and error.device == 99
        with pytest.raises(cpc.NoSuchDeviceError, match="Device 77 does not exist"):
            pool.apply(cpc.retain_only, (77,))


def test_the_end_of_the_interpreter(tmp_path: Path) -> None:
    """Guards that are alive then, in a module, a cycle, a thread, do no harm, and say nothing."""
    code = (
        "import atexit, sys, threading, time\n"
        "import cuda_primary_context as cpc\n"
        "guard = cpc.retain_only(1)\n"
        "cycle = [cpc.retain_only(2)]; cycle.append(cycle)\n"
        "sys.kept_beyond = cpc.retain_only(0)\n"
        "atexit.register(lambda: print(cpc.retain_only(3).report.devices[1].outcome))\n"
        "threading.Thread(target=lambda: [cpc.retain_only(3), time.sleep(60)], daemon=True).start()\n"
        "time.sleep(0.1)"
    )
    log = tmp_path / "log"
    process = python("-c", code, env=environment(log=log, knobs="release_microseconds=20000"))
    assert (process.returncode, process.stdout, process.stderr) == (0, "held_here\n", "")
    codes = {line.split('"code":')[1].split(",")[0] for line in log.read_text().splitlines()}
    assert codes <= {"0", "4"}, codes


INTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import cuda_primary_context as cpc
other = interpreters.create({kind})
interpreters.{run}(other, '''
try:
    import cuda_primary_context
except ImportError as error:
    print(error)
else:
    print("imported")
''')
assert cpc.retain_only(1).report
"""


@pytest.mark.parametrize("kind", ["isolated", "shared"])
def test_a_second_interpreter_is_refused(kind: str) -> None:
    new = sys.version_info >= (3, 13)
    arguments = {"isolated": "", "shared": "'legacy'" if new else "isolated=False"}[kind]
    code = INTERPRETERS.format(run="exec" if new else "run_string", kind=arguments)
    process = python("-c", code, env=environment())
    assert process.returncode == 0, process.stderr
    assert "does not support loading in subinterpreters" in process.stdout


@pytest.mark.parametrize("start", ["spawn", "fork", "fork --touch-first"])
def test_the_example_for_workers(start: str) -> None:
    """Each of eight workers touches every device and keeps its own."""
    words = [str(HERE.parent / "examples" / "vllm_worker.py"), "--workers", "8", "--start", *start.split()]
    process = python(*words, env=environment(devices=8))
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(found) == 8, process.stderr
    assert process.returncode == ("--touch-first" in start)
    for rank, worker in enumerate(found):
        if process.returncode:
            assert worker["error"] == "ForkedAfterInitError"
            assert "Start workers with spawn or exec" in worker["message"]
        else:
            # Its own device was touched twice, every other one once.
            assert worker["left"] == [rank]
            assert worker["outcomes"] == ["left_alone" if each == rank else "released" for each in range(8)]
