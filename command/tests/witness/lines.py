"""Retains device 0 from many kinds of Python code, and prints what Python itself says of each stack:
one line of JSON a call, of [file, line, function], innermost first."""

import ctypes
import json
import sys
import threading
import traceback

how = {"CDLL": ctypes.CDLL, "PyDLL": ctypes.PyDLL}[sys.argv[1]]
driver = how("libcuda.so.1")
context = ctypes.c_void_p()
device = ctypes.c_int()


def call():
    stack = traceback.extract_stack()
    said = [[frame.filename, frame.lineno, frame.name] for frame in reversed(stack)]
    said[0][1] += 5  # the line of the call
    print(json.dumps(said[:64]), flush=True)

    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0


def nested():
    def inner():
        call()

    inner()


def generator():
    yield 1
    call()
    yield 2


def over_several_lines():
    (
        len("not this line"),
        call(),
        len("nor this"),
    )


class Kind:
    def __enter__(self):
        call()
        return self

    def __exit__(self, *_):
        call()

    @property
    def attribute(self):
        return call()

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


def through_c():
    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def compare(_one, _other):
        call()
        return 0

    numbers = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), compare)


def größe():
    call()


def in_thread():
    thread = threading.Thread(target=nested)
    thread.start()
    thread.join()


assert driver.cuInit(0) == 0
assert driver.cuDeviceGet(ctypes.byref(device), 0) == 0
call()
nested()
list(generator())
[call() for _ in range(2)]
{number: call() for number in range(1)}
(lambda: call())()
over_several_lines()
with Kind() as kind:
    kind.attribute
sorted([kind, kind])
list(map(lambda _: call(), [1]))
drive(coroutine())
deep(20)
deep(200)
in_handler()
through_c()
größe()
in_thread()
exec("call()")
exec("\n" * 400 + "call()")
eval("call()")
exec(compile("x = [\n1,\ncall(),\n]", "скрипт.py", "exec"))
