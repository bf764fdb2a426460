"""Cells: one process each, and what a cell's function is handed to work with."""

import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

from .driver import Driver

REGISTRY = {}


class Skip(Exception):
    """A cell that cannot run here, with the reason in words."""


class Cell:
    def __init__(self, experiment, name, function, needs, timeout, environment, hidden):
        self.experiment, self.name, self.function = experiment, name, function
        self.needs, self.timeout = tuple(needs), timeout
        self.environment, self.hidden = environment or {}, hidden
        self.key = f"{experiment}/{name}"
        self.module = getattr(function, "func", function).__module__  # a partial has none of its own


def cell(experiment, name, needs=(), timeout=30, environment=None, hidden=False):
    """Registers a function as one cell; it gets a Run and returns a summary line."""
    def register(function):
        made = Cell(experiment, name, function, needs, timeout, environment, hidden)
        assert made.key not in REGISTRY, made.key
        REGISTRY[made.key] = made
        return function
    return register


class Run:
    """One cell under way: the recorded driver, notes, forks."""

    def __init__(self, cell, library, log_path, helpers, programs):
        self.cell, self.library_path, self.log_path = cell, library, log_path
        self.helpers, self.programs = helpers, programs
        self.log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.crumb = os.open(log_path + ".crumb", os.O_RDWR | os.O_CREAT, 0o644)
        self.process = os.environ.get("CONTRACT_PROCESS", "")
        self.steps = itertools.count(1)
        self._driver = None

    def record(self, **fields):
        line = {"experiment": self.cell.experiment, "cell": self.cell.name, "step": next(self.steps)}
        if self.process:
            line["process"] = self.process
        if threading.current_thread() is not threading.main_thread():
            line["thread"] = threading.current_thread().name
        os.write(self.log, (json.dumps({**line, **fields}) + "\n").encode())

    def note(self, **facts):
        """Records something that is no driver call."""
        self.record(note=facts)

    def about_to_call(self, name):
        """Leaves the name of the call where it survives a crash."""
        os.pwrite(self.crumb, f"{self.process}:{name}".encode().ljust(96), 0)

    @property
    def driver(self):
        if self._driver is None:
            try:
                self._driver = Driver(self.library_path, self.record, self.about_to_call)
            except OSError as error:
                raise Skip(f"the library does not load: {os.path.basename(str(error))}")
        return self._driver

    def device(self):
        """Initialises the driver and gives device 0; no device is a skip, in words."""
        started = self.driver.cuInit(0)
        if not started.ok:
            raise Skip(f"no device: cuInit answered {started}")
        count = self.driver.cuDeviceGetCount()
        if not count.ok or count["count"] < 1:
            raise Skip(f"no device: cuDeviceGetCount answered {count} with {count['count']}")
        return self.driver.cuDeviceGet(0)["device"]

    def devices(self, least=2):
        """Initialises the driver and gives every device; too few are a skip, in words."""
        self.device()
        count = self.driver.cuDeviceGetCount()["count"]
        if count < least:
            raise Skip(f"it needs {least} devices: there {'is one' if count == 1 else f'are {count}'}")
        return [self.driver.cuDeviceGet(ordinal)["device"] for ordinal in range(count)]

    def states(self, devices):
        return " ".join(self.state(device) for device in devices)

    def start(self, command, timeout, **environment):
        """Runs another program; its end in words, and its lines, which are noted."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env={**os.environ, **environment})
        try:
            output, _ = process.communicate(timeout=timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            code = None
        lines = output.decode(errors="replace").splitlines()
        self.note(program=os.path.basename(command[0]), arguments=command[1:3], ended=ended(code), lines=lines[-60:])
        return ended(code), lines

    def program(self, name):
        """A built Rust program; where there is none, a skip in words."""
        path = os.path.join(self.programs, name)
        if not self.programs or not os.path.exists(path):
            raise Skip(f"--programs names no folder with the built program {name}")
        return path

    def state(self, device):
        """cuDevicePrimaryCtxGetState in short: '1/0' is active with flags 0."""
        state = self.driver.cuDevicePrimaryCtxGetState(device)
        return f"{state['active']}/{state['flags']}" if state.ok else f"error {state}"

    def retain(self, device):
        retained = self.driver.cuDevicePrimaryCtxRetain(device)
        if not retained.ok:
            raise Skip(f"cuDevicePrimaryCtxRetain answered {retained}")
        return retained["context"]

    def release(self, device):
        return self.driver.cuDevicePrimaryCtxRelease_v2(device)

    def release_until_inactive(self, device, bound):
        """Releases while GetState says active; (successful releases, last code, final state)."""
        done, last = 0, None
        while done < bound and self.state(device).startswith("1/"):
            last = self.release(device)
            if not last.ok:
                break
            done += 1
        return done, last, self.state(device)

    def watch(self, pid, what, timeout=15):
        """Waits for a child process; how it ended, in words."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return self.report_end(what, ended(os.waitstatus_to_exitcode(status)))
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return self.report_end(what, "hung, was killed")

    def report_end(self, what, how):
        process, _, inside = os.pread(self.crumb, 96, 0).decode().strip().partition(":")
        if inside and process == what:
            how += f" inside {inside}"
        self.note(process_ended=what, how=how)
        return how

    def command_for(self, key):
        """The command line of this process with another cell in its place."""
        command = [sys.executable, *sys.argv]
        command[command.index(self.cell.key)] = key
        return command

    def in_child(self, label, function, make_child=os.fork):
        """Runs a function in a forked child, whose records carry `label`."""
        pid = make_child()
        if pid == 0:
            status = 1
            try:
                self.process = label
                function()
                status = 0
            except BaseException as error:  # noqa: the child must never return into the cell
                self.note(raised=f"{type(error).__name__}: {error}")
            finally:
                os._exit(status)
        return self.watch(pid, label)

    def on_thread(self, name, function):
        """Runs a function on a fresh thread and gives its result; exceptions travel."""
        box = {}

        def body():
            try:
                box["value"] = function()
            except BaseException as error:
                box["error"] = error

        thread = threading.Thread(target=body, name=name)
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


def run_cell(key, library, log_path, helpers, programs):
    """The body of one cell's process."""
    run = Run(REGISTRY[key], library, log_path, helpers, programs)
    try:
        summary = REGISTRY[key].function(run)
        run.record(summary=summary)
    except Skip as reason:
        run.record(summary=f"skipped: {reason}")
    except Exception as error:
        run.record(summary=f"failed in the experiment itself: {type(error).__name__}: {error}")
        sys.exit(1)


def clone_without_handlers():
    """fork by a raw clone system call: pthread_atfork handlers do not run."""
    number = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine)
    if number is None:
        raise Skip("no number of the clone system call is known for this machine")
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_long(signal.SIGCHLD), ctypes.c_long(0),
                       ctypes.c_long(0), ctypes.c_long(0), ctypes.c_long(0))
    if pid < 0:
        raise Skip(f"the clone system call failed: errno {ctypes.get_errno()}")
    return pid
