"""The driver API by exact symbol name, with types and named out-parameters."""

import ctypes
import time

# One function a line. "name:type" is an argument, "name:type*" an out-parameter, "sN*" text of at most N
# bytes, "b16*" 16 plain bytes, "ref" a ctypes object passed by address.
SIGNATURES = {
    "cuInit": "flags:u32",
    "cuDeviceGetCount": "count:i32*",
    "cuDeviceGet": "device:i32* ordinal:i32",
    "cuDeviceGetName": "text:s128* len:i32 dev:i32",
    "cuDeviceGetUuid_v2": "uuid:b16* dev:i32",
    "cuDevicePrimaryCtxRetain": "context:ptr* dev:i32",
    "cuDevicePrimaryCtxRelease_v2": "dev:i32",
    "cuDevicePrimaryCtxGetState": "dev:i32 flags:u32* active:i32*",
    "cuCtxSetCurrent": "context:ptr",
    "cuMemAlloc_v2": "address:u64* bytes:size",
    "cuMemcpyHtoD_v2": "address:u64 host:ref bytes:size",
    "cuMemcpyDtoH_v2": "host:ref address:u64 bytes:size",
    "cuMemAllocHost_v2": "host:ptr* bytes:size",
}
TYPES = {
    "i32": ctypes.c_int32, "u32": ctypes.c_uint32, "u64": ctypes.c_uint64, "size": ctypes.c_size_t,
    "ptr": ctypes.c_void_p,
}


class Result:
    """What one call returned; `code` is None if the driver has no such function."""

    def __init__(self, code, out, milliseconds=0.0):
        self.code, self.out, self.milliseconds = code, out, milliseconds

    def __getitem__(self, name):
        return self.out[name]

    @property
    def ok(self):
        return self.code == 0

    def __str__(self):
        return "absent" if self.code is None else str(self.code)


def read(kind, value):
    if kind[0] == "s" and kind != "size":
        return value.value.decode(errors="replace")
    return bytes(value).hex() if kind[0] == "b" else value.value


class Driver:
    """A loaded libcuda: `driver.cuInit(0)` calls the function and returns a Result."""

    def __init__(self, path, about_to):
        self.library, self.about_to = ctypes.CDLL(path), about_to

    def __getattr__(self, name):
        if name not in SIGNATURES:
            raise AttributeError(name)
        return lambda *arguments: self.call(name, arguments)

    def call(self, name, arguments):
        given, passed, out = iter(arguments), [], {}
        for parameter in SIGNATURES[name].split():
            label, kind = parameter.split(":")
            if kind.endswith("*"):
                kind = kind[:-1]
                simple = TYPES.get(kind)
                out[label] = kind, simple() if simple else ctypes.create_string_buffer(int(kind[1:]))
                passed.append(ctypes.byref(out[label][1]))
            else:
                value = next(given)
                passed.append(ctypes.byref(value) if kind == "ref" else TYPES[kind](value))
        function = getattr(self.library, name, None)
        if function is None:
            return Result(None, dict.fromkeys(out))
        self.about_to(name)
        began = time.perf_counter()
        code = function(*passed)
        took = (time.perf_counter() - began) * 1e3
        self.about_to("")
        return Result(code, {label: read(*place) for label, place in out.items()}, took)
