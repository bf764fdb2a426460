"""E14: a release at the very end of the process, from each place where a destructor may run."""

import atexit
import functools
import os
import subprocess
import sys
import threading

from . import result_codes
from .cells import Skip, cell, ended

MODES = ("none", "underscore-exit", "atexit-before-load", "atexit-before-init", "atexit-after-init",
         "static-destructor", "tls-destructor-of-thread", "tls-destructor-of-main",
         "thread-loops-while-main-returns", "linger-before-load", "main-thread-ends-first",
         "after-dlclose")


def in_c(run, mode):
    """Runs the C program in one mode; this process never loads the driver."""
    program = os.path.join(run.helpers, "exit")
    started = subprocess.Popen([program, run.library_path, mode], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = started.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        started.kill()
        output, _ = started.communicate()
        run.note(hung=True)
    lines = [line.split() for line in output.decode(errors="replace").splitlines()]
    told = []
    for parts in lines:
        if len(parts) == 3 and parts[2].lstrip("-").isdigit():
            when, call, code = parts[0], parts[1], int(parts[2])
            run.record(call=call, args={"when": when}, code=code, out={}, ns=None,
                       name=result_codes.name(code) if call.startswith("cu") else "no CUresult")
            told.append(f"{when} {call.removeprefix('cuDevicePrimaryCtx')} {code}")
        else:
            run.note(output=" ".join(parts))
    end = ended(started.returncode)
    run.note(program_ended=end)
    if started.returncode == 4:
        raise Skip(f"no device: {', '.join(told)}")
    return f"{', '.join(told)}; {end}"


for variant in MODES:
    cell("E14", f"c-{variant}", needs=("compiler",))(functools.partial(in_c, mode=variant))


@cell("E14", "python-atexit")
def python_atexit(run):
    """Python's atexit runs before the C library's."""
    device = run.device()
    run.retain(device)
    atexit.register(lambda: (run.state(device), run.release(device), run.state(device)))
    return "retained; the release follows at exit"


@cell("E14", "python-object-destructor")
def python_destructor(run):
    """A module global's __del__, as the interpreter is torn down."""
    device = run.device()
    run.retain(device)
    release = run.driver.raw("cuDevicePrimaryCtxRelease_v2")
    write, record = os.write, run.log
    head = f'{{"experiment": "E14", "cell": "{run.cell.name}", "step": 99, "args": {{"dev": 0}}, '

    class Owner:
        def __del__(self):
            write(record, f'{head}"call": "cuDevicePrimaryCtxRelease_v2", "code": {release(device)}}}\n'
                  .encode())

    sys.modules["owner_of_a_context"] = Owner()
    return "retained; the release follows at teardown"


@cell("E14", "python-thread-outlives-main")
def python_thread(run):
    """A non-daemon thread releases after the main thread has returned."""
    device = run.device()
    run.retain(device)
    done = threading.main_thread().join

    def late():
        done()
        run.state(device)
        run.release(device)

    threading.Thread(target=late, name="late").start()
    return "retained; a thread releases after main"
