"""The driver by ctypes, as much of it as these programs need."""

import ctypes

STATES = {0: "running", 1: "locked", 2: "checkpointed", 3: "failed", 4: "checkpointing", 5: "restoring"}
NOT_SUPPORTED = 801

_library = None


def library():
    global _library
    if _library is None:
        _library = ctypes.CDLL("libcuda.so.1")
    return _library


def is_simulated():
    return hasattr(library(), "simulated_cuda_version")


def call(name, *arguments):
    """The result, or None where this driver has no such function."""
    try:
        function = getattr(library(), name)
    except AttributeError:
        return None
    return function(*arguments)


def must(name, *arguments):
    code = call(name, *arguments)
    if code in (None, NOT_SUPPORTED):
        raise NotImplementedError(f"the driver {'has' if code is None else 'supports'} no {name}")
    if code != 0:
        raise RuntimeError(f"{name} returned {code}")


def device(ordinal=0):
    handle = ctypes.c_int()
    must("cuDeviceGet", ctypes.byref(handle), ordinal)
    return handle


def uuid(ordinal=0):
    raw = (ctypes.c_uint8 * 16)()
    must("cuDeviceGetUuid_v2", raw, device(ordinal))
    text = bytes(raw).hex()
    parts = [text[:8], text[8:12], text[12:16], text[16:20], text[20:]]
    return "GPU-" + "-".join(parts)


def state(pid):
    """The code, and the state's name if the code is 0."""
    number = ctypes.c_uint(77)
    code = call("cuCheckpointProcessGetState", pid, ctypes.byref(number))
    return {"code": code, "state": STATES.get(number.value, number.value) if code == 0 else None}


def step(name, pid, limit_ms=2000):
    """One raw step: Lock, Checkpoint, Restore or Unlock."""
    arguments = (ctypes.c_uint64 * 8)()
    if name == "Lock":
        arguments[0] = limit_ms
    return call(f"cuCheckpointProcess{name}", pid, arguments)


def device_count():
    must("cuInit", 0)
    count = ctypes.c_int()
    must("cuDeviceGetCount", ctypes.byref(count))
    return count.value


def primary_state(ordinal):
    """cuDevicePrimaryCtxGetState in short: '1/0' is active with flags 0."""
    flags, active = ctypes.c_uint(), ctypes.c_int()
    must("cuDevicePrimaryCtxGetState", device(ordinal), ctypes.byref(flags), ctypes.byref(active))
    return f"{active.value}/{flags.value}"


def devices_with_context():
    return [ordinal for ordinal in range(device_count()) if primary_state(ordinal).startswith("1/")]


def retain(ordinal=0):
    context = ctypes.c_void_p()
    must("cuDevicePrimaryCtxRetain", ctypes.byref(context), device(ordinal))
    return context


def release(ordinal=0):
    return call("cuDevicePrimaryCtxRelease_v2", device(ordinal))


def release_until_inactive(ordinal=0):
    """More than one library may hold it. Returns the number of releases, the last code and the final state."""
    done, code = 0, None
    while primary_state(ordinal).startswith("1/") and (code := release(ordinal)) == 0:
        done += 1
    return f"{done} releases, last {code} -> {primary_state(ordinal)}"
