"""New threads on their creator's device."""

import asyncio
import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, List, Optional

import cuda_primary_context as cpc
import pytest
from simulated import driver, handle_of, on_simulator, references, touch


def current_device() -> Optional[int]:
    device = ctypes.c_int()
    return device.value if driver().cuCtxGetDevice(ctypes.byref(device)) == 0 else None


def select(ordinal: int) -> Optional[int]:
    assert driver().cuCtxSetCurrent(touch(ordinal)) == 0
    return current_device()


def in_a_thread(function: Callable[[], Optional[int]]) -> Optional[int]:
    found: List[Optional[int]] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


class Kept(threading.Thread):
    """One that overrides `run`."""

    def run(self) -> None:
        self.found = current_device()


@on_simulator()
def test_a_new_thread_has_its_creators_device() -> None:
    own = select(1)
    assert in_a_thread(current_device) is None
    with cpc.keep_threads_on_device() as kept:
        assert in_a_thread(current_device) == own
        # Also two threads deep, in a pool, and by asyncio.
        assert in_a_thread(lambda: in_a_thread(current_device)) == own
        with ThreadPoolExecutor(3) as pool:
            assert set(pool.map(lambda _: current_device(), range(9))) == {own}
        assert asyncio.run(asyncio.to_thread(current_device)) == own
        thread = Kept()
        thread.start()
        thread.join()
        assert thread.found == own and "run" not in vars(thread)
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        assert references(1) == 1, "nothing holds a context any longer than it takes to start"
        # One that selects a device uses that device.
        assert in_a_thread(lambda: select(2)) == handle_of(2).value
    assert in_a_thread(current_device) is None
    kept.undo()


@on_simulator()
def test_without_a_current_primary_context_nothing_is_inherited() -> None:
    handle_of(0)
    with cpc.keep_threads_on_device():
        assert in_a_thread(current_device) is None
        ordinary = ctypes.c_void_p()
        assert driver().cuCtxCreate_v2(ctypes.byref(ordinary), 0, handle_of(1)) == 0
        assert in_a_thread(current_device) is None
        touch(1)
        assert in_a_thread(current_device) is None, "the current context is not the primary one"
        assert references(1) == 1
