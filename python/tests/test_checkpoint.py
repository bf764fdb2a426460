"""Suspending and resuming processes: each step, each block, each failure, groups."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread, get_native_id
from typing import Any, Callable, Iterator, List, Tuple, Type

import cuda_primary_context as cpc
import pytest
from cuda_primary_context import checkpoint, errors
from cuda_primary_context.checkpoint import TRUSTED, Checkpointed, DeviceRoom, Locked, Process
from simulated import environment, library, on_simulator, python, touch
from targets import target
from test_threads import ENOUGH, work_during

MACHINE = Path(os.environ.get("SIMULATED_CUDA_MACHINE", "/nowhere"))


def on_a_machine(**settings: Any) -> Callable[[Callable[[], None]], Callable[[Path], None]]:
    """Runs a test in a process of its own that is the controller of others on the same machine."""

    def decorate(test: Callable[[], None]) -> Callable[[Path], None]:
        def in_a_process(tmp_path: Path) -> None:
            on_simulator(machine=tmp_path / "machine", **settings)(test)()

        in_a_process.__name__ = test.__name__
        in_a_process.__module__ = test.__module__
        in_a_process.test = test  # type: ignore[attr-defined]
        return in_a_process

    return decorate


@on_a_machine()
def test_blocks_undo_what_they_began() -> None:
    with target(MACHINE, 0) as process:
        handle = Process(process.pid)
        assert (handle.pid, handle.state()) == (process.pid, "running")
        with handle.lock(timeout=10) as locked:
            assert handle.state() == "locked"
            with locked.checkpoint() as suspended:
                assert suspended.state() == "checkpointed"
            assert locked.state() == "locked"
        assert handle.state() == "running"
        # A second time, by hand.
        suspended = handle.lock(timeout=None).checkpoint()
        locked = suspended.restore(room=TRUSTED)
        assert isinstance(locked, Locked)
        assert locked.unlock().state() == "running"


@on_a_machine()
def test_what_was_done_in_a_block_is_not_done_again() -> None:
    with target(MACHINE, 0) as process:
        with Process(process.pid).lock(timeout=10) as locked:
            running = locked.unlock()
        assert running.state() == "running"
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
        assert running.state() == "running"


@on_a_machine()
def test_a_block_that_fails_brings_the_process_back() -> None:
    with target(MACHINE, 0) as process:
        with pytest.raises(KeyError):
            with Process(process.pid).lock(timeout=10) as locked, locked.checkpoint():
                raise KeyError
        assert Process(process.pid).state() == "running"


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
                    states = [Process(pid).state() for pid in pids]
                    assert states == ["running"] * 2, (cycle, error, seconds, states)


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
                state = Process(process.pid).state()
                assert state == "running", (cycle, error, number, state)


class Interrupted:
    """A controller whose lock ends with a signal, as it does if that came during the driver's call."""

    def __init__(self, controller: Any) -> None:
        self.controller = controller

    def lock(self, seconds: float) -> Any:
        try:
            return self.controller.lock(seconds)
        finally:
            signal.raise_signal(signal.SIGALRM)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.controller, name)


@on_a_machine()
def test_promise_12_no_exception_in_a_lock_leaves_a_process_behind() -> None:
    with target(MACHINE, 0) as process:
        for error in EXCEPTIONS:
            handle = Process(process.pid)
            handle._controller = Interrupted(handle._controller)  # type: ignore[assignment]
            with raising(error, 100), pytest.raises(error):
                handle.lock(timeout=10)
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
            while [Process(pid).state() for pid in pids] != left and time.monotonic() < deadline:
                time.sleep(0.01)
            # Processes without CUDA, and those that have ended, are no hindrance.
            ended = subprocess.Popen(["true"])
            ended.wait()
            reports = checkpoint.recover([*pids, without.pid, ended.pid])
            assert [report.state for report in reports] == ["running"] * 2 + [None]
            assert [Process(pid).state() for pid in pids] == ["running"] * 2
        with pytest.raises(cpc.ProcessIdError, match="named twice"):
            checkpoint.recover([first.pid] * 2)


@on_a_machine()
def test_another_thread_may_ask_meanwhile() -> None:
    with target(MACHINE, 0) as process:
        handle = Process(process.pid)
        done = Event()

        def ask() -> None:
            while not done.is_set():
                handle.state()

        asking = Thread(target=ask)
        asking.start()
        for _ in range(20):
            with handle.lock(timeout=10) as locked, locked.checkpoint():
                pass
            assert Process(process.pid).state() == "running"
        done.set()
        asking.join()


@on_a_machine()
def test_garbage_unlocks() -> None:
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)
        watcher = Process(process.pid)
        assert watcher.state() == "locked"
        del locked
        assert watcher.state() == "running"


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
        other = Process(process.pid).take_up()
        assert isinstance(other, Locked)


@on_a_machine()
def test_no_such_process() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(cpc.ProcessEndedError, match="has ended") as raised:
        Process(ended.pid)
    assert type(raised.value) is cpc.NoSuchProcessError
    assert raised.value.pid == ended.pid and raised.value.kind == "no_such_process"
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)
        process.kill()
        process.wait()
        with pytest.raises(cpc.ProcessEndedError, match="has ended") as raised:
            locked.checkpoint()
        assert type(raised.value) is cpc.ProcessEndedError


@on_a_machine()
def test_interrupted_while_an_error_is_made() -> None:
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
        assert isinstance(raised.value.__cause__, KeyboardInterrupt)
        assert [type(each) for each in raised.value.found] == [Process]


@on_a_machine()
def test_a_process_without_cuda() -> None:
    with target(MACHINE) as process:
        with pytest.raises(cpc.CheckpointError, match="has not initialised CUDA") as raised:
            Process(process.pid).lock(timeout=1)
        assert (raised.value.code, raised.value.name) == (3, "CUDA_ERROR_NOT_INITIALIZED")


@on_a_machine(fault="cuCheckpointProcessCheckpoint:1:801:refused:once")
def test_a_checkpoint_that_fails_leaves_it_locked_and_the_block_unlocks() -> None:
    with target(MACHINE, 0) as process:
        with pytest.raises(cpc.CheckpointError, match="managed memory") as raised:
            with Process(process.pid).lock(timeout=10) as locked:
                locked.checkpoint()
        assert (raised.value.code, raised.value.state) == (801, "locked")
        assert Process(process.pid).state() == "running"


@on_a_machine()
def test_room_is_looked_at() -> None:
    with target(MACHINE, 0) as process:
        uuid = cpc.devices()[0].uuid
        assert uuid is not None
        suspended = Process(process.pid).lock(timeout=10).checkpoint()
        with pytest.raises(cpc.NoRoomError, match="1 bytes free, and the restore needs 2") as raised:
            suspended.restore(room=[DeviceRoom(uuid, needed=2, free=1)])
        assert raised.value.call is None and raised.value.state == "checkpointed"
        with pytest.raises(ValueError, match="The only word"):
            suspended.restore(room="enough")  # type: ignore[arg-type]
        with pytest.raises(cpc.NvmlError, match="libnvidia-ml.so.1"):
            suspended.restore(room={uuid: 1})
        assert suspended.state() == "checkpointed"
        suspended.restore(room=[DeviceRoom(uuid, needed=2, free=2)]).unlock()
    with pytest.raises(cpc.NvmlError):
        checkpoint.memory_of(os.getpid())


@on_a_machine()
def test_a_room_names_a_device() -> None:
    with target(MACHINE, 0) as process:
        handle = Process(process.pid)
        locked = handle.lock(timeout=10)
        room = DeviceRoom(str(cpc.devices()[0].uuid), needed=2, free=2)
        used = iter([room])
        next(used)
        for nothing in ({}, [], used):
            with pytest.raises(ValueError, match="The room names no device"):
                locked.checkpoint(room=nothing)
            with pytest.raises(ValueError, match="The room names no device"):
                checkpoint.suspend([process.pid], timeout=10, room=nothing)
        assert handle.state() == "locked"
        # A block takes one that can be read once.
        with locked.checkpoint(room=iter([room])) as suspended:
            with pytest.raises(ValueError, match="The room names no device"):
                suspended.restore(room={})
            assert handle.state() == "checkpointed"
        assert handle.state() == "locked"
        locked.unlock()
        with checkpoint.suspend([process.pid], timeout=10, room=iter([room])) as group:
            with pytest.raises(ValueError, match="The room names no device"):
                group.resume(room=[])
        assert handle.state() == "running"


@on_a_machine(devices=2)
def test_maps_name_every_gpu() -> None:
    with target(MACHINE, 0, devices=2) as process:
        first, second = (str(device.uuid) for device in cpc.devices())
        suspended = Process(process.pid).lock(timeout=10).checkpoint()
        every = [first, second]
        with pytest.raises(cpc.GpuMapError, match=f"lacks {second}"):
            suspended.restore(room=TRUSTED, gpu_map={first: first}, every_gpu=every)
        with pytest.raises(cpc.GpuMapError, match="twice"):
            suspended.restore(room=TRUSTED, gpu_map={first: first, second: first}, every_gpu=every)
        with pytest.raises(ValueError, match="no device's unique id"):
            suspended.restore(room=TRUSTED, gpu_map={"GPU-1": first}, every_gpu=every)
        swapped = {first: second, second: first}
        suspended.restore(room=TRUSTED, gpu_map=swapped, every_gpu=every).unlock()
        assert Process(process.pid).state() == "running"


@on_a_machine()
def test_a_process_suspends_itself() -> None:
    touch(0)
    uuid = str(cpc.devices()[0].uuid)
    with Process(os.getpid()).lock(timeout=10) as locked:
        with locked.checkpoint() as suspended:
            with pytest.raises(ValueError, match="must not ask NVML"):
                suspended.restore(room={uuid: 1})
    assert Process(os.getpid()).state() == "running"


@on_a_machine()
def test_groups_are_suspended_together() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0, 1) as second:
        pids = (first.pid, second.pid)
        with checkpoint.suspend(pids, timeout=10) as group:
            assert group.pids == pids
            assert [Process(pid).state() for pid in pids] == ["checkpointed"] * 2
            steps = [[step.step for step in report.steps] for report in group.reports]
            assert steps == [["lock", "checkpoint"]] * 2
        assert [Process(pid).state() for pid in pids] == ["running"] * 2

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
        assert Process(first.pid).state() == "running"


@on_a_machine()
def test_a_group_without_room_stays_suspended() -> None:
    with target(MACHINE, 0) as process:
        group = checkpoint.suspend([process.pid], timeout=10)
        uuid = str(cpc.devices()[0].uuid)
        with pytest.raises(cpc.NoRoomError) as raised:
            group.resume(room=[DeviceRoom(uuid, needed=2, free=1)])
        assert raised.value.state in ("checkpointed", None)
        assert Process(process.pid).state() == "checkpointed"
        group.resume(room=TRUSTED)
        assert Process(process.pid).state() == "running"


@on_a_machine()
def test_a_group_is_taken_up() -> None:
    with target(MACHINE, 0) as process:
        left = checkpoint.suspend([process.pid], timeout=10)
        del left
        found = Process(process.pid).take_up()
        assert isinstance(found, Checkpointed)
        with checkpoint.Suspended.of([found]) as group:
            assert group.pids == (process.pid,) and group.reports == ()
            with pytest.raises(RuntimeError, match="in a group"):
                found.restore(room=TRUSTED)
        assert Process(process.pid).state() == "running"
        running = Process(process.pid).take_up()
        assert isinstance(running, Process)
        with pytest.raises(TypeError):
            checkpoint.Suspended.of([running])  # type: ignore[list-item]


@on_a_machine()
def test_a_group_that_cannot_be_made_takes_nothing() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second:
        good, back = (Process(pid).lock(timeout=10).checkpoint() for pid in (first.pid, second.pid))
        back.restore(room=TRUSTED).unlock()
        with pytest.raises(ValueError, match=f"Process {second.pid} is not locked to this"):
            checkpoint.Suspended.of([good, back])
        # Twice, by one object and by two.
        with pytest.raises(RuntimeError, match="in a group"):
            checkpoint.Suspended.of([good, good])
        again = Process(first.pid).take_up()
        assert isinstance(again, Checkpointed)
        both = checkpoint.Suspended.of([good, again])
        with pytest.raises(cpc.ProcessIdError, match="named twice"):
            both.resume(room=TRUSTED)
        assert Process(first.pid).state() == "checkpointed"
        checkpoint.recover([first.pid])
        assert Process(first.pid).state() == "running"


@on_a_machine()
def test_a_groups_block_with_too_little_room_restores_nothing() -> None:
    with target(MACHINE, 0) as process:
        uuid = str(cpc.devices()[0].uuid)
        with pytest.raises(cpc.NoRoomError) as raised:
            with checkpoint.suspend([process.pid], timeout=10, room=[DeviceRoom(uuid, 2, 1)]):
                pass
        assert raised.value.call is None
        assert Process(process.pid).state() == "checkpointed"


@on_a_machine(knobs="checkpoint_milliseconds=500")
def test_steps_are_told_and_bounded() -> None:
    with target(MACHINE, 0) as first, target(MACHINE, 0) as second:
        pids = [first.pid, second.pid]
        told: List[Tuple[int, str]] = []

        def hear(pid: int, step: checkpoint.StepReport) -> None:
            told.append((pid, step.step))

        for at_once, least, most in ((1, 1.0, 60.0), (None, 0.5, 0.95)):
            told.clear()
            began = time.monotonic()
            group = checkpoint.suspend(pids, timeout=10, at_once=at_once, on_step=hear)
            took = time.monotonic() - began
            assert least <= took < most, (at_once, took)
            group.resume(room=TRUSTED, on_step=hear)
            steps = [step for step in ("lock", "checkpoint", "restore", "unlock") for _ in pids]
            assert [step for _, step in told] == steps
            assert {pid for pid, _ in told[2:4]} == set(pids)

        def fail(pid: int, step: checkpoint.StepReport) -> None:
            raise KeyError(step.step)

        with pytest.raises(KeyError, match="lock"):
            checkpoint.suspend(pids, timeout=10, on_step=fail)
        assert [Process(pid).state() for pid in pids] == ["running"] * 2


@on_a_machine()
def test_ids_that_are_no_process() -> None:
    with target(MACHINE, 0) as process:
        for number in (-1, 2**40, 2**200):
            with pytest.raises(ValueError, match=f"{number} is not a process id"):
                Process(number)
        for number in (0, 2**22 + 1):
            with pytest.raises(cpc.ProcessIdError, match=f"{number} is not a process id"):
                checkpoint.suspend([process.pid, number], timeout=10)
        with pytest.raises(TypeError):
            Process("1")  # type: ignore[arg-type]
        Process(process.pid).lock(timeout=2**40).unlock()
        for seconds in (-1, float("nan"), float("inf"), 2**2000):
            with pytest.raises(ValueError, match="timeout is not"):
                Process(process.pid).lock(timeout=seconds)
            with pytest.raises(ValueError, match="timeout is not"):
                checkpoint.suspend([process.pid], timeout=seconds)
        for at_once in (-1, 0, 2**80):
            with pytest.raises(ValueError, match=f"{at_once} is not a number of processes"):
                checkpoint.suspend([process.pid], timeout=1, at_once=at_once)
            with pytest.raises(ValueError, match=f"{at_once} is not a number of processes"):
                checkpoint.recover([process.pid], at_once=at_once)
        uuid = str(cpc.devices()[0].uuid)
        for room in (-1, 2**64):
            with pytest.raises(ValueError, match=f"{room} is not a number of bytes"):
                DeviceRoom(uuid, needed=room, free=0)
            with pytest.raises(ValueError, match=f"{room} is not a number of bytes"):
                checkpoint.recover([process.pid], room={uuid: room})
        for call in (checkpoint.tree, checkpoint.memory_of, cpc.device_files):
            with pytest.raises(ValueError, match="-1 is not a process id"):
                call(-1)
        threads: List[int] = []
        release = Event()

        def wait() -> None:
            threads.append(get_native_id())
            release.wait()

        thread = Thread(target=wait)
        thread.start()
        while not threads:
            time.sleep(0.001)
        with pytest.raises(ValueError, match=f"a thread of process {os.getpid()}") as raised:
            Process(threads[0])
        assert isinstance(raised.value, cpc.ProcessIdError) and raised.value.kind == "thread_id"
        release.set()
        thread.join()
        with pytest.raises(cpc.ProcessIdError, match="is named twice") as twice:
            checkpoint.suspend([process.pid] * 2, timeout=10)
        assert twice.value.reports[0].steps == ()
        assert Process(process.pid).state() == "running"


@on_a_machine()
def test_a_forked_child_is_not_the_controller() -> None:
    with target(MACHINE, 0) as process:
        locked = Process(process.pid).lock(timeout=10)
        child = os.fork()
        if child == 0:
            try:
                with pytest.raises(cpc.ForkedControllerError):
                    locked.state()
                locked.checkpoint()
            except cpc.ForkedControllerError:
                del locked
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert locked.state() == "locked"
        locked.unlock()


@on_a_machine(knobs="checkpoint_milliseconds=1000")
def test_others_run_during_a_checkpoint() -> None:
    with target(MACHINE, 0) as process:
        found: List[Checkpointed] = []
        locked = Process(process.pid).lock(timeout=10)
        assert work_during(Thread(target=lambda: found.append(locked.checkpoint()))) > ENOUGH
        found[0].restore(room=TRUSTED).unlock()


def test_processes_and_their_descendants() -> None:
    words = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
    parent = subprocess.Popen(words)
    try:
        for _ in range(500):
            found = checkpoint.tree(parent.pid)
            if len(found) == 2 and found[1].command == "sleep 60":
                break
            time.sleep(0.01)
        assert [each.parent for each in found] == [os.getpid(), parent.pid]
        assert found[1].command == "sleep 60" and found[1].device_files == ()
        assert json.loads(found[0].to_json())["pid"] == parent.pid
    finally:
        for each in reversed(checkpoint.tree(parent.pid)):
            os.kill(each.pid, 9)
        parent.wait()
    with pytest.raises(FileNotFoundError, match=f"/proc/{parent.pid}"):
        checkpoint.tree(parent.pid)


def test_a_driver_too_old_for_checkpoints(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from cuda_primary_context import DriverTooOldError, checkpoint\n"
        "try: checkpoint.Process(os.getpid())\n"
        "except DriverTooOldError as error: print(error)"
    )
    process = python("-c", code, env=environment(folder=library("--driver-version", "12070")))
    assert "came with CUDA 12.8" in process.stdout, process.stderr


def test_no_cuinit_is_needed(tmp_path: Path) -> None:
    machine, log = tmp_path / "machine", tmp_path / "log"
    with target(machine, 0) as process:
        code = (
            "from cuda_primary_context.checkpoint import Process\n"
            f"with Process({process.pid}).lock(timeout=10) as locked, locked.checkpoint(): pass"
        )
        controller = python("-c", code, env=environment(machine=machine, log=log))
    assert controller.returncode == 0, controller.stderr
    calls = [json.loads(line)["function"] for line in log.read_text().splitlines()]
    steps = ["Lock", "Checkpoint", "Restore", "Unlock"]
    assert calls == [f"cuCheckpointProcess{step}" for step in steps]


def test_gpus_of_this_machine() -> None:
    if Path("/proc/driver/nvidia/gpus").exists():
        assert all(gpu.startswith("GPU-") for gpu in checkpoint.machine_gpus())
    else:
        with pytest.raises(FileNotFoundError, match="/proc/driver/nvidia/gpus.*every_gpu"):
            checkpoint.machine_gpus()


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


@pytest.mark.parametrize("inside", [0, 1])
def test_a_process_in_a_pid_namespace_of_its_own(tmp_path: Path, inside: int) -> None:
    """As in a container: the driver takes the id that its caller sees."""
    machine = tmp_path / "machine"
    unshared = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*unshared, "true"], capture_output=True).returncode != 0:
        pytest.skip("no PID namespace can be made here")
    with target(machine, 0, prefix=unshared) as process:
        found = checkpoint.tree(process.pid)
        worker = next(each for each in found if each.parent == process.pid)
        code = (
            "import sys\n"
            "from cuda_primary_context.checkpoint import Process\n"
            f"with Process({worker.pid}).lock(timeout=10) as locked, locked.checkpoint(): pass"
        )
        knobs = f"checkpoint_ids_inside={inside}"
        controller = python("-c", code, env=environment(machine=machine, knobs=knobs))
        assert (controller.returncode == 0) == (inside == 0), controller.stderr
        if inside:  # no driver does that; an id that does not fit is named in the error
            assert "It is process 1 in a PID namespace of its own" in controller.stderr
