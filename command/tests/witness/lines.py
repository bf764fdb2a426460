"""Retains device 0 from many kinds of Python code, and prints what Python itself says of each stack:
one line of JSON a call, of [file, line, function], innermost first."""

import ctypes
import json
import sys
import threading
import traceback

driver = {"CDLL": ctypes.CDLL, "PyDLL": ctypes.PyDLL}[sys.argv[1]]("libcuda.so.1")
context = ctypes.c_void_p()
device = ctypes.c_int()


def call():
    stack = [[frame.filename, frame.lineno, frame.name] for frame in traceback.extract_stack()]
    stack[-1][1] += 3  # the line of the call
    print(json.dumps(stack[:-65:-1]), flush=True)
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0


def generator():
    yield 1
    (lambda: call())()
    yield 2


def over_several_lines():
    (
        len("not this line"),
        call(),
        len("nor this"),
    )


class Kind:
    def __lt__(self, _):
        call()
        return False


async def coroutine():
    call()


def drive(body):
    try:
        body.send(None)
    except StopIteration:
        pass


def deep(depth):
    if depth:
        deep(depth - 1)
    else:
        call()


def in_handler():
    try:
        raise ValueError("wanted")
    except ValueError:
        call()
    finally:
        call()


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def compare(_one, _other):
    call()
    return 0


def größe():
    call()


assert driver.cuInit(0) == 0
assert driver.cuDeviceGet(ctypes.byref(device), 0) == 0
call()
list(generator())
[call() for _ in range(2)]
{number: call() for number in range(1)}
over_several_lines()
sorted([Kind(), Kind()])
list(map(lambda _: call(), [1]))
drive(coroutine())
deep(20)
deep(200)
in_handler()
ctypes.CDLL(None).qsort((ctypes.c_int * 2)(2, 1), 2, ctypes.sizeof(ctypes.c_int), compare)
größe()
thread = threading.Thread(target=over_several_lines)
thread.start()
thread.join()
exec("call()")
exec("\n" * 400 + "call()")
eval("call()")
exec(compile("x = [\n1,\ncall(),\n]", "скрипт.py", "exec"))
