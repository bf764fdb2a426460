"""Rows, each a line or more about one question, and the processes that they work with."""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """What a row needs and this machine lacks."""


def run_rows(rows, seconds):
    """Runs rows, each a name, the seconds that it needs, and a function that yields lines. Returns how many failed."""
    end, failed = time.monotonic() + seconds, 0
    for name, needs, row in rows:
        left = end - time.monotonic()
        if left < needs:
            print(f"skipped: {name}: it needs {needs} s, and {max(left, 0):.0f} s are left", flush=True)
            continue
        try:
            for line in row():
                print(f"{name:32} {line}", flush=True)
        except Missing as missing:
            print(f"skipped: {name}: {missing}", flush=True)
        except Exception as error:
            failed += 1
            print(f"{name:32} failed: {error!r}", flush=True)
    return failed


def ended(status):
    """How a process ended, in words."""
    return f"died by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


class Target:
    """A process of one kind; see target.py."""

    def __init__(self, kind, *numbers, wait=90, **environment):
        self.name = " ".join(map(str, [kind, *numbers]))
        # A wait of 0 is for those that need one another: `read` waits for each when all are started.
        command = [sys.executable, HERE / "target.py", kind, *map(str, numbers)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.pid = self.process.pid
        if wait:
            self.read(wait)

    def read(self, wait):
        ready, _, _ = select.select([self.process.stdout], [], [], wait)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            how = ended(self.process.wait()) if ready else f"no line within {wait} s"
            self.kill()
            raise RuntimeError(f"{self.name}: {how}")
        result = json.loads(line)
        if "missing" in result:
            self.kill()
            raise Missing(result["missing"])
        return result

    def ask(self, command="check"):
        # If it has ended, its result says so.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{command}\n")
            self.process.stdin.flush()

    def result(self, wait=30):
        """What the command returned, or how it failed."""
        try:
            return self.read(wait)
        except RuntimeError as error:
            return {"ok": False, "error": str(error)}

    def do(self, command):
        self.ask(command)
        return self.result()

    def works(self):
        return self.do("check").get("ok")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def ranks(kind, count, **environment):
    """The ranks of an NCCL group; NVLink multicast (NVLS) stays off in all of them."""
    group = {"NCCL_NVLS_ENABLE": "0", "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    group |= {"MASTER_PORT": str(free_port()), **environment}
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(Target(kind, wait=0, RANK=str(rank), **group)) for rank in range(count)]
        for target in targets:
            target.read(60)
        yield targets


def work_together(targets):
    """The results of a check that needs all of them at once."""
    for target in targets:
        target.ask()
    return [target.result() for target in targets]


def nvidia_smi(query):
    """The rows of a query."""
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"it needs nvidia-smi: {error}") from error
    return [line.split(", ") for line in done.stdout.splitlines()]


def memory_in_use():
    """MiB in use on each GPU, once two looks agree: the driver returns memory with some delay."""
    last, end = None, time.monotonic() + 3
    while time.monotonic() < end:
        now = " ".join(mebibytes for (mebibytes,) in nvidia_smi("--query-gpu=memory.used"))
        if now == last:
            break
        last = now
    return now


def listed_memory(pid):
    """MiB by GPU as text, as far as nvidia-smi lists this process."""
    rows = nvidia_smi("--query-compute-apps=gpu_uuid,pid,used_gpu_memory")
    return {uuid: mebibytes for uuid, listed, mebibytes in rows if listed == str(pid)}
