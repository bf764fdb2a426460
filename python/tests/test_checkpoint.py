"""Suspending and resuming a process: each step, each block, each failure, wrong arguments."""

import json
import os
import pickle
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any, List

import cuda_primary_context as cpc
import pytest
from cuda_primary_context import checkpoint, errors
from cuda_primary_context.checkpoint import TRUSTED, Checkpointed, DeviceRoom, Locked, Process
from simulated import touch
from targets import MACHINE, on_a_machine, states, target
from test_processes import in_a_forked_child
from test_threads import ENOUGH, work_during


@on_a_machine()
def test_blocks_undo_what_they_began() -> None:
    with target(MACHINE, 0) as process:
        handle = Process(process.pid)
        assert (handle.pid, handle.state()) == (process.pid, "running")
        with pytest.raises(KeyError):
            with handle.lock(timeout=10) as locked:
                assert handle.state() == "locked"
                with locked.checkpoint() as suspended:
                    assert suspended.state() == "checkpointed"
                assert locked.state() == "locked"
                raise KeyError
        assert handle.state() == "running"
        # By hand, and by garbage.
        locked = handle.lock(timeout=None).checkpoint().restore(room=TRUSTED)
        assert isinstance(locked, Locked)
        assert locked.unlock().state() == "running"
        locked, watcher = handle.lock(timeout=2**40), Process(process.pid)
        assert watcher.state() == "locked"
        del locked, suspended
        assert watcher.state() == "running"


@on_a_machine()
def test_what_was_done_in_a_block_is_not_done_again() -> None:
    with target(MACHINE, 0) as process:
        with Process(process.pid).lock(timeout=10) as locked:
            running = locked.unlock()
        with running.lock(timeout=10) as locked:
            with locked.checkpoint() as suspended:
                suspended.restore(room=TRUSTED).unlock()
        assert running.state() == "running"
        # One that is left checkpointed stays so, until somebody takes it up.
        with running.lock(timeout=10) as locked:
            left = locked.checkpoint()
        del left, locked
        assert running.state() == "checkpointed"
        taken_up = Process(process.pid).take_up()
        assert isinstance(taken_up, Checkpointed)
        taken_up.restore(room=TRUSTED).unlock()
        assert isinstance(Process(process.pid).take_up(), Process)
        assert running.state() == "running"


@on_a_machine()
def test_another_thread_may_ask_meanwhile() -> None:
    with target(MACHINE, 0) as process, ThreadPoolExecutor() as pool:
        handle = Process(process.pid)

        def cycle() -> None:
            for _ in range(20):
                with handle.lock(timeout=10) as locked, locked.checkpoint():
                    pass
                assert states(process.pid) == ["running"]

        cycling = pool.submit(cycle)
        while not cycling.done():
            handle.state()
        cycling.result()


@on_a_machine(knobs="checkpoint_milliseconds=1000")
def test_others_run_during_a_checkpoint() -> None:
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)
        assert work_during(locked.checkpoint) > ENOUGH


@on_a_machine()
def test_steps_out_of_order_are_not_taken() -> None:
    with target(MACHINE, 0) as process:
        handle = Process(process.pid)
        locked = handle.lock(timeout=10)
        with pytest.raises(ValueError, match="Cannot lock process .*: to this controller it is locked"):
            handle.lock(timeout=10)
        suspended = locked.checkpoint()
        for step in (locked.checkpoint, locked.unlock):
            with pytest.raises(ValueError, match="to this controller it is checkpointed"):
                step()
        suspended.restore(room=TRUSTED).unlock()
        with pytest.raises(ValueError, match="to this controller it is not locked"):
            suspended.restore(room=TRUSTED)


@on_a_machine()
def test_another_controller_was_faster() -> None:
    with target(MACHINE, 0) as process:
        mine = Process(process.pid).lock(timeout=10)
        with pytest.raises(cpc.CheckpointError) as raised:
            Process(process.pid).lock(timeout=10)
        error = raised.value
        assert (error.call, error.pid, error.code) == ("cuCheckpointProcessLock", process.pid, 401)
        assert error.state == "locked" and [type(each) for each in error.found] == [Process]
        assert "already locked, maybe by another controller" in str(error)
        assert error.to_dict()["pid"] == process.pid
        again = pickle.loads(pickle.dumps(error))
        assert again == error and again.found == () and again.state == "locked"
        # Neither that error nor its garbage takes the lock off.
        del raised, error
        assert mine.state() == "locked"
        assert isinstance(Process(process.pid).take_up(), Locked)


@on_a_machine(fault="cuCheckpointProcessCheckpoint:1:801:refused:once")
def test_failures_say_what_the_process_is_then() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(cpc.CheckpointError, match="has ended") as raised:
        Process(ended.pid)
    assert type(raised.value) is cpc.NoSuchProcessError
    assert (raised.value.pid, raised.value.kind) == (ended.pid, "no_such_process")
    with target(MACHINE, 0) as process:
        with pytest.raises(cpc.CheckpointError, match="managed memory") as raised:
            with Process(process.pid).lock(timeout=10) as locked:
                locked.checkpoint()
        assert (raised.value.code, raised.value.state) == (801, "locked")
        assert states(process.pid) == ["running"]
        locked = Process(process.pid).lock(timeout=10)
        process.kill()
        process.wait()
        with pytest.raises(cpc.CheckpointError, match="has ended") as raised:
            locked.checkpoint()
        assert type(raised.value) is cpc.ProcessEndedError


@on_a_machine()
def test_an_error_is_made_in_spite_of_a_signal() -> None:
    made = errors._from_dict

    def interrupted(fields: Any, state: Any = None) -> cpc.Error:
        errors._from_dict = made
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    with target(MACHINE) as process:
        handle = Process(process.pid)
        errors._from_dict = interrupted
        with pytest.raises(cpc.CheckpointError, match="has not initialised CUDA") as raised:
            handle.lock(timeout=1)
        assert (raised.value.code, raised.value.name) == (3, "CUDA_ERROR_NOT_INITIALIZED")
        assert isinstance(raised.value.__cause__, KeyboardInterrupt)
        assert [type(each) for each in raised.value.found] == [Process]


@on_a_machine()
def test_the_room_is_checked() -> None:
    uuid = str(cpc.devices()[0].uuid)
    enough, less = DeviceRoom(uuid, needed=2, free=2), DeviceRoom(uuid, needed=2, free=1)
    used = iter([enough])
    next(used)
    empty: List[Any] = [{}, [], used]
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)
        for room in empty:
            with pytest.raises(ValueError, match="The room names no device"):
                locked.checkpoint(room=room)
            with pytest.raises(ValueError, match="The room names no device"):
                checkpoint.suspend([process.pid], timeout=10, room=room)
        # A block takes one that can be read once.
        with locked.checkpoint(room=iter([enough])) as suspended:
            with pytest.raises(ValueError, match="The room names no device"):
                suspended.restore(room={})
            with pytest.raises(cpc.NoRoomError, match="1 bytes free, and the restore needs 2") as raised:
                suspended.restore(room=[less])
            assert raised.value.call is None and raised.value.state == "checkpointed"
            with pytest.raises(ValueError, match="The only word"):
                suspended.restore(room="enough")  # type: ignore[arg-type]
            with pytest.raises(cpc.NvmlError, match="libnvidia-ml.so.1"):
                suspended.restore(room={uuid: 1})
            assert suspended.state() == "checkpointed"
        assert locked.unlock().state() == "running"
    with pytest.raises(cpc.NvmlError):
        checkpoint.memory_of(os.getpid())


@on_a_machine(devices=2)
def test_maps_name_every_gpu() -> None:
    with target(MACHINE, 0, devices=2) as process:
        every = first, second = [str(device.uuid) for device in cpc.devices()]
        suspended = Process(process.pid).lock(timeout=10).checkpoint()
        for gpu_map, kind, words in (
            ({first: first}, cpc.GpuMapError, f"lacks {second}"),
            ({first: first, second: first}, cpc.GpuMapError, "twice"),
            ({"GPU-1": first}, ValueError, "no device's unique id"),
        ):
            with pytest.raises(kind, match=words):
                suspended.restore(room=TRUSTED, gpu_map=gpu_map, every_gpu=every)
        swapped = {first: second, second: first}
        suspended.restore(room=TRUSTED, gpu_map=swapped, every_gpu=every).unlock()
        assert states(process.pid) == ["running"]


@on_a_machine()
def test_a_process_suspends_itself() -> None:
    touch(0)
    uuid = str(cpc.devices()[0].uuid)
    with Process(os.getpid()).lock(timeout=10) as locked:
        with locked.checkpoint() as suspended:
            with pytest.raises(ValueError, match="must not ask NVML"):
                suspended.restore(room={uuid: 1})
    assert states(os.getpid()) == ["running"]


@on_a_machine()
def test_wrong_numbers_are_refused_before_any_call() -> None:
    with target(MACHINE, 0) as process:
        pid, uuid = process.pid, str(cpc.devices()[0].uuid)
        refused: List[Any] = [
            ([-1, 2**40, 2**200], "is not a process id", Process, checkpoint.tree, checkpoint.memory_of),
            ([0, 2**22 + 1], "is not a process id", lambda id: checkpoint.suspend([pid, id], timeout=10)),
            (
                [-1, float("nan"), float("inf"), 2**2000],
                "timeout is not",
                lambda seconds: Process(pid).lock(timeout=seconds),
                lambda seconds: checkpoint.suspend([pid], timeout=seconds),
            ),
            (
                [-1, 0, 2**80],
                "is not a number of processes",
                lambda number: checkpoint.suspend([pid], timeout=1, at_once=number),
                lambda number: checkpoint.recover([pid], at_once=number),
            ),
            (
                [-1, 2**64],
                "is not a number of bytes",
                lambda number: DeviceRoom(uuid, needed=number, free=0),
                lambda number: checkpoint.recover([pid], room={uuid: number}),
            ),
        ]
        for numbers, words, *calls in refused:
            for number in numbers:
                for call in calls:
                    with pytest.raises(ValueError, match=words):
                        call(number)
        with pytest.raises(TypeError):
            Process("1")  # type: ignore[arg-type]
        release = Event()
        thread = Thread(target=release.wait)
        thread.start()
        with pytest.raises(cpc.ProcessIdError, match=f"a thread of process {os.getpid()}"):
            Process(int(str(thread.native_id)))
        release.set()
        thread.join()
        with pytest.raises(cpc.ProcessIdError, match="is named twice") as twice:
            checkpoint.suspend([pid] * 2, timeout=10)
        assert twice.value.reports[0].steps == ()
        with pytest.raises(cpc.ProcessIdError, match="is named twice"):
            checkpoint.recover([pid] * 2)
        assert states(pid) == ["running"]


@on_a_machine()
def test_a_forked_child_is_not_the_controller() -> None:
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)

        def child() -> None:
            nonlocal locked
            for step in (locked.state, locked.checkpoint):
                with pytest.raises(cpc.ForkedControllerError):
                    step()
            del locked, step

        in_a_forked_child(child)
        assert locked.state() == "locked"
        locked.unlock()


def test_processes_and_their_descendants() -> None:
    child = subprocess.Popen(["sleep", "60"])
    own, *_ = found = checkpoint.tree(os.getpid())
    assert (own.pid, own.parent) == (os.getpid(), os.getppid())
    sleeps = next(each for each in found if each.pid == child.pid)
    assert (sleeps.parent, sleeps.device_files) == (own.pid, ())
    assert json.loads(sleeps.to_json())["pid"] == child.pid
    child.kill()
    child.wait()
    with pytest.raises(FileNotFoundError, match=f"/proc/{child.pid}"):
        checkpoint.tree(child.pid)


def test_gpus_of_this_machine() -> None:
    if Path("/proc/driver/nvidia/gpus").exists():
        assert all(gpu.startswith("GPU-") for gpu in checkpoint.machine_gpus())
    else:
        with pytest.raises(FileNotFoundError, match="/proc/driver/nvidia/gpus.*every_gpu"):
            checkpoint.machine_gpus()
