"""E18: which names a driver exports, what cuGetProcAddress gives for each version, UUIDs, texts."""

import ctypes
import functools
import os

from . import result_codes
from .cells import cell

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = (0, 3000, 7000, 10000, 11000, 12000, 13000, 20000)
ASKED = ("cuInit", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRelease_v2",
         "cuDevicePrimaryCtxReset", "cuDevicePrimaryCtxSetFlags", "cuDevicePrimaryCtxGetState",
         "cuDeviceGetUuid", "cuCtxGetDevice", "cuCtxGetId", "cuCtxSynchronize", "cuCtxDestroy",
         "cuGetProcAddress", "cuStreamQuery", "cuCheckpointProcessGetState", "cuNoSuchFunction")


def known_names():
    with open(os.path.join(HERE, "driver_api_names.txt"), encoding="utf-8") as file:
        return file.read().split()


@cell("E18", "exports")
def exports(run):
    """dlsym of every name that the headers of 11.8, 12.9 and 13.5 declare."""
    names = known_names()
    addresses = {name: run.driver.address(name) for name in names}
    present = [name for name in names if addresses[name]]
    absent = [name for name in names if not addresses[name]]
    twice = {}
    for name in present:
        twice.setdefault(addresses[name], []).append(name)
    shared = sorted(group for group in twice.values() if len(group) > 1)
    run.note(present=len(present), absent=absent, sharing_an_address=shared)
    pairs = [f"{name} {'same as' if addresses[name] == addresses[name + '_v2'] else 'differs from'} _v2"
             for name in ("cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxReset",
                          "cuDevicePrimaryCtxSetFlags", "cuDeviceGetUuid", "cuCtxGetDevice",
                          "cuCtxSynchronize", "cuCtxDestroy")
             if addresses.get(name) and addresses.get(name + "_v2")]
    return f"{len(present)} of {len(names)} names present; {'; '.join(pairs)}; {len(absent)} absent"


def addresses_by_version(run, function):
    """cuGetProcAddress before cuInit: which exported symbol is it that each version gets?"""
    symbols = {}
    for name in known_names():
        symbols.setdefault(run.driver.address(name), []).append(name)
    seen = []
    for name in ASKED:
        row = []
        for version in VERSIONS:
            found = run.driver.call(function, (name.encode(), version, 0))
            if found.code is None:
                return f"{function} is absent"
            pointer = found["pfn"]
            equal = "untouched" if pointer == "untouched" else (
                "NULL" if pointer is None else "/".join(symbols.get(pointer, ["no exported symbol"])))
            status = found.out.get("status", "")
            run.note(asked=name, version=version, code=found.code, status=status, equals=equal)
            row.append((version, f"{equal.removeprefix(name) or 'bare'}"
                                 + (f" code {found}" if found.code else "")
                                 + (f" status {status}" if status else "")))
        # Only where the answer changes from one version to the next.
        changes = [f"{version}: {answer}" for number, (version, answer) in enumerate(row)
                   if number == 0 or answer != row[number - 1][1]]
        seen.append(f"{name} [{', '.join(changes)}]")
    return "; ".join(seen)


for symbol in ("cuGetProcAddress", "cuGetProcAddress_v2"):
    cell("E18", symbol)(functools.partial(addresses_by_version, function=symbol))


@cell("E18", "null-status")
def null_status(run):
    """cuGetProcAddress_v2 with NULL where the status goes."""
    return ask_with_null(run, "status")


@cell("E18", "null-pointer")
def null_pointer(run):
    """cuGetProcAddress_v2 with NULL where the pointer goes."""
    return ask_with_null(run, "pointer")


def ask_with_null(run, which):
    ask = run.driver.raw("cuGetProcAddress_v2")
    if ask is None:
        return "cuGetProcAddress_v2 is absent"
    answers = []
    for name in (b"cuInit", b"cuNoSuchFunction"):
        pointer, status = ctypes.c_void_p(0x5A5A), ctypes.c_int(-1)
        run.about_to_call(f"cuGetProcAddress_v2 for {name.decode()} without {which}")
        code = ask(name, None if which == "pointer" else ctypes.addressof(pointer), 12000, 0,
                   None if which == "status" else ctypes.addressof(status))
        run.about_to_call("")
        shown = {None: "NULL", 0x5A5A: "untouched"}.get(pointer.value, "set")
        told = "not asked" if which == "status" else status.value
        run.note(asked=name.decode(), code=code, pointer=shown, status=told)
        answers.append(f"{name.decode()} {code}, pointer {shown}, status {told}")
    return "; ".join(answers)


@cell("E18", "before-init")
def before_init(run):
    """What is answered before cuInit, with poisoned outputs."""
    calls = (("cuDriverGetVersion", ()), ("cuGetErrorName", (0,)), ("cuDeviceGetCount", ()),
             ("cuDeviceGet", (0,)), ("cuDevicePrimaryCtxGetState", (0,)),
             ("cuDevicePrimaryCtxRetain", (0,)), ("cuDevicePrimaryCtxRelease", (0,)),
             ("cuDevicePrimaryCtxRelease_v2", (0,)), ("cuDevicePrimaryCtxReset_v2", (0,)),
             ("cuDevicePrimaryCtxSetFlags_v2", (0, 0)), ("cuCtxGetCurrent", ()),
             ("cuCtxSetCurrent", (None,)), ("cuCtxSynchronize", ()), ("cuDeviceGetUuid_v2", (0,)),
             ("cuCtxGetDevice", ()), ("cuInit", (1,)), ("cuInit", (0,)), ("cuInit", (0,)),
             ("cuInit", (1,)))
    return ", ".join(f"{name.removeprefix('cu')} {run.driver.call(name, arguments)}"
                     for name, arguments in calls)


@cell("E18", "error-texts")
def error_texts(run):
    """cuGetErrorName for every code of the headers, and for numbers that are none."""
    differing = []
    for code, name in result_codes.NAMES.items():
        answer = run.driver.cuGetErrorName(code)["text"]
        run.driver.cuGetErrorString(code)
        if answer != name:
            differing.append(f"{code} {name} is {answer}")
    unknown = [f"{code}: {result} {result['text']}" for code in (-1, 12345)
               for result in (run.driver.cuGetErrorName(code),)]
    return f"{len(differing)} differ from the header: {', '.join(differing)}; unknown {', '.join(unknown)}"


@cell("E18", "uuid")
def uuid(run):
    """The two versions of cuDeviceGetUuid, beside the name and the PCI bus id."""
    device = run.device()
    first, second = run.driver.cuDeviceGetUuid(device), run.driver.cuDeviceGetUuid_v2(device)
    name, bus = run.driver.cuDeviceGetName(128, device), run.driver.cuDeviceGetPCIBusId(32, device)
    return (f"v1 {first}, v2 {second}, {'equal' if first['uuid'] == second['uuid'] else 'different'}; "
            f"{name['text']} at {bus['text']}; state {run.state(device)}")
