"""New Python threads on their creator's device."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Callable


class _Driver:
    """The functions of the driver that this process has loaded, by ctypes: nothing here initialises CUDA."""

    def __init__(self) -> None:
        library = ctypes.CDLL("libcuda.so.1", mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        self.get_current = library.cuCtxGetCurrent
        self.set_current = library.cuCtxSetCurrent
        self.get_device = library.cuCtxGetDevice
        self.get_version = library.cuCtxGetApiVersion
        self.get_state = library.cuDevicePrimaryCtxGetState
        self.retain = library.cuDevicePrimaryCtxRetain
        self.release = library.cuDevicePrimaryCtxRelease_v2


class KeptThreads:
    """What :func:`keep_threads_on_device` changed. As a context manager it undoes that at the end of the block."""

    def __init__(self) -> None:
        self._driver: _Driver | None = None
        self._start = threading.Thread.start
        self._is_on = True
        threading.Thread.start = self._replacement()  # type: ignore[assignment, method-assign]

    def undo(self) -> None:
        """Lets new threads begin without a context again. Threads that run keep what they have."""
        self._is_on = False

    def __enter__(self) -> KeptThreads:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.undo()

    def _replacement(self) -> Callable[[threading.Thread], None]:
        original, kept = self._start, self

        def start(thread: threading.Thread) -> None:
            end_inheritance = kept._inherit() if kept._is_on else None
            if end_inheritance is None:
                return original(thread)
            run = thread.run

            def run_on_device() -> None:
                del thread.run  # it would keep the thread alive
                end_inheritance(True)
                run()

            thread.run = run_on_device  # type: ignore[method-assign]
            try:
                original(thread)
            except BaseException:
                # It did not start, or is started already and has run by now.
                if vars(thread).pop("run", None) is not None:
                    end_inheritance(False)
                raise

        return start

    def _inherit(self) -> Callable[[bool], None] | None:
        """Retains the current context of the calling thread, if it is an active primary context. Returns what ends
        that, and makes the context current if it is called in the new thread."""
        if self._driver is None:
            try:
                self._driver = _Driver()
            except (OSError, AttributeError):  # no driver is loaded yet
                return None
        driver, context, device = self._driver, ctypes.c_void_p(), ctypes.c_int()
        primary, flags, active = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_int()
        if driver.get_current(ctypes.byref(context)) or not context or driver.get_device(ctypes.byref(device)):
            return None
        if driver.get_state(device, ctypes.byref(flags), ctypes.byref(active)) or not active:
            return None
        if driver.retain(ctypes.byref(primary), device):
            return None
        if primary.value != context.value:
            driver.release(device)
            return None

        def end(in_new_thread: bool) -> None:
            # A reset of the device destroys the context in spite of the reference.
            if in_new_thread and driver.get_version(context, ctypes.byref(ctypes.c_uint())) == 0:
                driver.set_current(context)
            driver.release(device)

        return end


def keep_threads_on_device() -> KeptThreads:
    """Makes each new thread of ``threading`` begin with the primary context that is current on the thread that
    starts it, so that it uses its creator's device and not device 0.

    Holds for ``concurrent.futures`` and ``asyncio.to_thread``, too. It does nothing for threads that run already,
    for threads of other languages (``cuda-contexts run`` keeps those) and for ``_thread.start_new_thread``. A
    thread that selects a device itself uses that device. If the context is destroyed later, the thread's calls
    return ``CUDA_ERROR_CONTEXT_IS_DESTROYED``.

    >>> kept = keep_threads_on_device()  # doctest: +SKIP
    >>> kept.undo()  # doctest: +SKIP
    """
    return KeptThreads()
