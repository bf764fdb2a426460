"""Several processes at once, from Python and from the command line."""

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Tuple

import cuda_primary_context as cpc
import pytest
from cuda_primary_context import checkpoint
from cuda_primary_context.checkpoint import TRUSTED, Checkpointed, DeviceRoom, Process
from simulated import environment, python
from targets import MACHINE, on_a_machine, states, target


@on_a_machine()
def test_groups_are_suspended_together() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0, 1) as second:
        pids = (first.pid, second.pid)
        with checkpoint.suspend(pids, timeout=10) as group:
            assert group.pids == pids
            assert states(*pids) == ["checkpointed"] * 2
            steps = [[step.step for step in report.steps] for report in group.reports]
            assert steps == [["lock", "checkpoint"]] * 2
        assert states(*pids) == ["running"] * 2

        group = checkpoint.suspend(pids, timeout=10)
        reports = group.resume(room=TRUSTED)
        assert [report.state for report in reports] == ["running"] * 2
        assert all(step.error is None and step.milliseconds >= 0 for step in reports[0].steps)
        assert reports == pickle.loads(pickle.dumps(reports))
        assert json.loads(reports[0].to_json())["pid"] == first.pid
        with pytest.raises(ValueError, match="was resumed already"):
            group.resume(room=TRUSTED)


@on_a_machine()
def test_a_group_that_cannot_be_suspended_goes_on() -> None:
    with target(MACHINE, 0) as first, target(MACHINE) as second:
        pids = [first.pid, second.pid]
        with pytest.raises(cpc.CheckpointError) as raised:
            checkpoint.suspend(pids, timeout=1)
        error = raised.value
        assert (error.pid, error.code, error.state) == (second.pid, 3, error.reports[1].state)
        undone = error.reports[0].steps[-1]
        assert (undone.step, undone.undoing) == ("unlock", True)
        failed = error.reports[1].steps[0].error
        assert isinstance(failed, cpc.CheckpointError) and failed.code == 3
        assert [each.pid for each in error.found] == pids
        assert states(first.pid) == ["running"]


@on_a_machine()
def test_a_group_without_room_stays_suspended() -> None:
    with target(MACHINE, 0) as process:
        uuid = str(cpc.devices()[0].uuid)
        less, enough = [DeviceRoom(uuid, 2, 1)], iter([DeviceRoom(uuid, 2, 2)])
        with pytest.raises(cpc.NoRoomError) as raised:
            with checkpoint.suspend([process.pid], timeout=10, room=less):
                pass
        assert raised.value.call is None
        assert states(process.pid) == ["checkpointed"]
        checkpoint.recover([process.pid], room=enough)
        with checkpoint.suspend([process.pid], timeout=10) as group:
            with pytest.raises(cpc.NoRoomError) as raised:
                group.resume(room=less)
            assert raised.value.state in ("checkpointed", None)
            assert states(process.pid) == ["checkpointed"]
        assert states(process.pid) == ["running"]


@on_a_machine()
def test_groups_are_made_of_processes_that_were_found_checkpointed() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second:
        left = checkpoint.suspend([first.pid], timeout=10)
        del left
        good = Process(first.pid).take_up()
        assert isinstance(good, Checkpointed)
        back = Process(second.pid).lock(timeout=10).checkpoint()
        back.restore(room=TRUSTED).unlock()
        # One that cannot be made takes nothing.
        with pytest.raises(ValueError, match=f"Process {second.pid} is not locked to this"):
            checkpoint.Suspended.of([good, back])
        with pytest.raises(RuntimeError, match="in a group"):
            checkpoint.Suspended.of([good, good])
        with pytest.raises(TypeError):
            checkpoint.Suspended.of([Process(second.pid)])  # type: ignore[list-item]
        with checkpoint.Suspended.of([good]) as group:
            assert group.pids == (first.pid,) and group.reports == ()
            with pytest.raises(RuntimeError, match="in a group"):
                good.restore(room=TRUSTED)
        assert states(first.pid, second.pid) == ["running"] * 2
        # Twice, by two objects.
        one, two = Process(first.pid).lock(timeout=10).checkpoint(), Process(first.pid).take_up()
        assert isinstance(two, Checkpointed)
        both = checkpoint.Suspended.of([one, two])
        with pytest.raises(cpc.ProcessIdError, match="named twice"):
            both.resume(room=TRUSTED)
        assert states(first.pid) == ["checkpointed"]
        checkpoint.recover([first.pid])
        assert states(first.pid) == ["running"]


@on_a_machine(knobs="checkpoint_milliseconds=500")
def test_steps_are_observed_and_bounded() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second:
        pids = [first.pid, second.pid]
        heard: List[Tuple[int, str]] = []

        def hear(pid: int, step: checkpoint.StepReport) -> None:
            heard.append((pid, step.step))

        for at_once, least, most in ((1, 1.0, 60.0), (None, 0.5, 0.95)):
            heard.clear()
            began = time.monotonic()
            group = checkpoint.suspend(pids, timeout=10, at_once=at_once, on_step=hear)
            took = time.monotonic() - began
            assert least <= took < most, (at_once, took)
            group.resume(room=TRUSTED, on_step=hear)
            steps = [step for step in ("lock", "checkpoint", "restore", "unlock") for _ in pids]
            assert [step for _, step in heard] == steps
            assert {pid for pid, _ in heard[2:4]} == set(pids)

        def fail(pid: int, step: checkpoint.StepReport) -> None:
            raise KeyError(step.step)

        with pytest.raises(KeyError, match="lock"):
            checkpoint.suspend(pids, timeout=10, on_step=fail)
        assert states(*pids) == ["running"] * 2


def test_the_command_suspends_and_resumes(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    env = environment(machine=machine, knobs="checkpoint_milliseconds=200")

    def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return python("-m", "cuda_primary_context", *map(str, arguments), env=env)

    with target(machine, 0) as first, target(machine, 0) as second:
        done = command("suspend", first.pid, "--tree", second.pid)
        assert done.returncode == 0, done.stderr
        lines = done.stderr.splitlines()
        # Without NVML the room cannot be checked.
        assert "Room for the restore cannot be checked: libnvidia-ml.so.1" in lines.pop()
        steps = [(line.split(": ")[0], line.split(": ")[1].split(",")[0]) for line in lines]
        names = [f"process {each.pid}" for each in (first, second)]
        assert steps[:2] == [(name, "lock") for name in names]
        assert sorted(steps[2:]) == sorted((name, "checkpoint") for name in names)
        assert all(line.endswith(" s") for line in lines)
        module, _, arguments = done.stdout.strip().partition(" -m cuda_primary_context ")
        assert module == "resume with: python" and arguments.endswith(" --force")
        again = command("suspend", first.pid)
        assert again.returncode == 1 and "already checkpointed. Resume it first" in again.stderr
        unchecked = command("resume", first.pid)
        assert unchecked.returncode == 3 and "--needs GPU=BYTES" in unchecked.stderr
        resumed = command(*arguments.split())
        assert (resumed.returncode, resumed.stdout.count(" is running\n")) == (0, 2), resumed.stderr
    for wrong in (["suspend"], ["suspend", 0], ["suspend", 2**40], ["resume", "--needs", "x", 1]):
        assert command(*wrong).returncode == 2, wrong


def test_the_command_undoes_what_it_began_on_sigterm(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    env = environment(machine=machine, knobs="checkpoint_milliseconds=600")
    with target(machine, 0) as process:
        words = [sys.executable, "-m", "cuda_primary_context", "suspend", str(process.pid)]
        command = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
        assert command.stderr is not None and ": lock, " in command.stderr.readline()
        command.terminate()
        command.communicate(timeout=60)
        assert command.returncode == 128 + signal.SIGTERM
        code = f"from cuda_primary_context.checkpoint import Process; print(Process({process.pid}).state())"
        assert python("-c", code, env=env).stdout == "running\n"
