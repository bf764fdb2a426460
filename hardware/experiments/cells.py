"""Cells: one process each, and what a cell's function works with."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

from .driver import Driver

REGISTRY = {}


class Skip(Exception):
    """A cell that cannot run here, with the reason in words."""


class Cell:
    def __init__(self, experiment, name, function, needs, timeout, hidden):
        self.experiment, self.key, self.function = experiment, f"{experiment}/{name}", function
        self.needs, self.timeout, self.hidden = tuple(needs), timeout, hidden


def cell(experiment, name, needs=(), timeout=30, hidden=False):
    """Registers a function as one cell; it gets a Run and returns one line."""
    def register(function):
        made = Cell(experiment, name, function, needs, timeout, hidden)
        assert made.key not in REGISTRY, made.key
        REGISTRY[made.key] = made
        return function
    return register


class Run:
    """One cell under way."""

    def __init__(self, key, library, crumb, programs):
        self.key, self.library, self.programs = key, library, programs
        self.crumb = os.open(crumb, os.O_RDWR | os.O_CREAT, 0o644)
        self._driver = None

    def about_to(self, what):
        """Leaves the name of the next call where it survives a crash."""
        os.pwrite(self.crumb, what.encode().ljust(96), 0)

    @property
    def driver(self):
        if self._driver is None:
            try:
                self._driver = Driver(self.library, self.about_to)
            except OSError as error:
                raise Skip(f"the library does not load: {os.path.basename(str(error))}")
        return self._driver

    def devices(self, least=2):
        """Initialises the driver and returns every device."""
        started = self.driver.cuInit(0)
        count = self.driver.cuDeviceGetCount()["count"] if started.ok else 0
        if count < least:
            found = f"cuInit returned {started}" if not started.ok else f"there {'is one' if count == 1 else f'are {count}'}"
            raise Skip(f"it needs {least} device{'s' if least > 1 else ''}: {found}")
        return [self.driver.cuDeviceGet(ordinal)["device"] for ordinal in range(count)]

    def device(self):
        return self.devices(1)[0]

    def state(self, device):
        """cuDevicePrimaryCtxGetState in short: '1/0' is active with flags 0."""
        state = self.driver.cuDevicePrimaryCtxGetState(device)
        return f"{state['active']}/{state['flags']}" if state.ok else f"error {state}"

    def states(self, devices):
        return " ".join(self.state(device) for device in devices)

    def retain(self, device):
        retained = self.driver.cuDevicePrimaryCtxRetain(device)
        if not retained.ok:
            raise Skip(f"cuDevicePrimaryCtxRetain returned {retained}")
        return retained["context"]

    def release(self, device):
        return self.driver.cuDevicePrimaryCtxRelease_v2(device)

    def release_until_inactive(self, device, bound=8):
        """Releases while the context is active; (successful releases, last code, final state)."""
        done, last = 0, None
        while done < bound and self.state(device).startswith("1/"):
            last = self.release(device)
            if not last.ok:
                break
            done += 1
        return done, last, self.state(device)

    def program(self, name):
        path = os.path.join(self.programs, name)
        if not self.programs or not os.path.exists(path):
            raise Skip(f"there is no program {name} (hardware/make builds it)")
        return path

    def start(self, command, timeout):
        """Runs another program; its end in words, and its lines."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            output, _ = process.communicate(timeout=timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            code = None
        return ended(code), output.splitlines()

    def command_for(self, key):
        """The command line of this process with another cell in its place."""
        arguments = sys.argv[1:]
        arguments[arguments.index(self.key)] = key
        return [sys.executable, "-m", __package__, *arguments]

    def on_thread(self, function):
        """Runs a function on a new thread and returns its result; exceptions travel."""
        box = {}

        def body():
            try:
                box["value"] = function()
            except BaseException as error:
                box["error"] = error

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["value"]


def ended(code):
    """A process's end in words."""
    if code is None:
        return "timed out, was killed"
    if code < 0:
        return f"died by {signal.Signals(-code).name}"
    return f"exit {code}"


def kill_session(process):
    """Ends what is left of the session that a cell's process leads."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_cell(key, library, crumb, programs):
    """The body of one cell's process, which ends with the runner."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        line = REGISTRY[key].function(Run(key, library, crumb, programs))
    except Skip as reason:
        line = f"skipped: {reason}"
    except Exception as error:
        line = f"failed in the experiment itself: {type(error).__name__}: {error}"
    print(f"summary: {line}", flush=True)
    return 0
