"""The driver API by exact symbol name: typed, timed, poisoned and recorded."""

import ctypes
import time

from . import result_codes

# One function a line. "name:type" is an argument that the caller passes, "name:type*" an
# out-parameter: it is filled with POISON first, so that an untouched one can be told apart.
# sN* is a text buffer of N bytes, bN* plain bytes, text* a `const char *` that the driver sets,
# ref a ctypes object passed by address, or None.
SIGNATURES = {
    "cuInit": "flags:u32",
    "cuDriverGetVersion": "version:i32*",
    "cuGetErrorName": "error:i32 text:text*",
    "cuGetErrorString": "error:i32 text:text*",
    "cuGetProcAddress": "symbol:str pfn:ptr* version:i32 flags:u64",
    "cuGetProcAddress_v2": "symbol:str pfn:ptr* version:i32 flags:u64 status:i32*",
    "cuDeviceGetCount": "count:i32*",
    "cuDeviceGet": "device:i32* ordinal:i32",
    "cuDeviceGetName": "text:s128* len:i32 dev:i32",
    "cuDeviceGetUuid": "uuid:b16* dev:i32",
    "cuDeviceGetUuid_v2": "uuid:b16* dev:i32",
    "cuDeviceGetPCIBusId": "text:s32* len:i32 dev:i32",
    "cuDeviceGetDefaultMemPool": "pool:ptr* dev:i32",
    "cuDevicePrimaryCtxRetain": "context:ptr* dev:i32",
    "cuDevicePrimaryCtxRelease": "dev:i32",
    "cuDevicePrimaryCtxRelease_v2": "dev:i32",
    "cuDevicePrimaryCtxReset": "dev:i32",
    "cuDevicePrimaryCtxReset_v2": "dev:i32",
    "cuDevicePrimaryCtxSetFlags": "dev:i32 flags:u32",
    "cuDevicePrimaryCtxSetFlags_v2": "dev:i32 flags:u32",
    "cuDevicePrimaryCtxGetState": "dev:i32 flags:u32* active:i32*",
    "cuCtxCreate_v2": "context:ptr* flags:u32 dev:i32",
    "cuCtxCreate_v4": "context:ptr* params:ref flags:u32 dev:i32",
    "cuCtxDestroy": "context:ptr",
    "cuCtxDestroy_v2": "context:ptr",
    "cuCtxPushCurrent_v2": "context:ptr",
    "cuCtxPopCurrent_v2": "context:ptr*",
    "cuCtxSetCurrent": "context:ptr",
    "cuCtxGetCurrent": "context:ptr*",
    "cuCtxGetDevice": "device:i32*",
    "cuCtxGetDevice_v2": "device:i32* context:ptr",
    "cuCtxGetFlags": "flags:u32*",
    "cuCtxGetId": "context:ptr id:u64*",
    "cuCtxGetApiVersion": "context:ptr version:u32*",
    "cuCtxSynchronize": "",
    "cuCtxSynchronize_v2": "context:ptr",
    "cuMemGetInfo_v2": "free:size* total:size*",
    "cuMemAlloc_v2": "address:u64* bytes:size",
    "cuMemFree_v2": "address:u64",
    "cuMemcpyHtoD_v2": "address:u64 host:ref bytes:size",
    "cuMemcpyDtoH_v2": "host:ref address:u64 bytes:size",
    "cuMemcpyDtoD_v2": "to:u64 from:u64 bytes:size",
    "cuMemcpyPeer": "to:u64 to_context:ptr from:u64 from_context:ptr bytes:size",
    "cuMemAllocHost_v2": "host:ptr* bytes:size",
    "cuDeviceCanAccessPeer": "can:i32* dev:i32 peer:i32",
    "cuCtxEnablePeerAccess": "peer:ptr flags:u32",
    "cuMemAllocAsync": "address:u64* bytes:size stream:ptr",
    "cuMemFreeAsync": "address:u64 stream:ptr",
    "cuMemPoolTrimTo": "pool:ptr keep:size",
    "cuMemsetD8Async": "address:u64 value:u8 count:size stream:ptr",
    "cuMemCreate": "handle:u64* bytes:size properties:ref flags:u64",
    "cuMemRelease": "handle:u64",
    "cuMemAddressReserve": "address:u64* bytes:size alignment:size hint:u64 flags:u64",
    "cuMemAddressFree": "address:u64 bytes:size",
    "cuMemMap": "address:u64 bytes:size offset:size handle:u64 flags:u64",
    "cuMemUnmap": "address:u64 bytes:size",
    "cuMemSetAccess": "address:u64 bytes:size access:ref count:size",
    "cuStreamCreate": "stream:ptr* flags:u32",
    "cuStreamQuery": "stream:ptr",
    "cuStreamSynchronize": "stream:ptr",
    "cuModuleLoadData": "module:ptr* image:str",
    "cuModuleGetFunction": "function:ptr* module:ptr symbol:str",
    "cuLaunchKernel": "function:ptr gx:u32 gy:u32 gz:u32 bx:u32 by:u32 bz:u32 shared:u32"
                      " stream:ptr parameters:ref extra:ref",
    "cuDeviceGetDevResource": "dev:i32 resource:ref kind:i32",
    "cuDevSmResourceSplitByCount": "groups:ref count:ref input:ref rest:ref flags:u32 minimum:u32",
    "cuDevResourceGenerateDesc": "desc:ptr* resources:ref count:u32",
    "cuGreenCtxCreate": "green:ptr* desc:ptr dev:i32 flags:u32",
    "cuGreenCtxDestroy": "green:ptr",
    "cuCtxFromGreenCtx": "context:ptr* green:ptr",
}

SCALARS = {
    "i32": ctypes.c_int32, "u32": ctypes.c_uint32, "u64": ctypes.c_uint64, "u8": ctypes.c_uint8,
    "size": ctypes.c_size_t, "ptr": ctypes.c_void_p, "text": ctypes.c_void_p,
    "str": ctypes.c_char_p, "ref": ctypes.c_void_p,
}
POISON_BYTE = 0x5A
UNTOUCHED = "untouched"


class Parameter:
    """One argument of a driver function, read from its line in SIGNATURES."""

    def __init__(self, text):
        self.name, kind = text.split(":")
        self.is_out = kind.endswith("*")
        self.kind = kind.rstrip("*")
        self.is_buffer = self.kind not in SCALARS
        self.storage = (ctypes.c_ubyte * int(self.kind[1:]) if self.is_buffer
                        else SCALARS[self.kind])
        self.argtype = ctypes.c_void_p if self.is_out else self.storage

    def poisoned(self):
        value = self.storage()
        ctypes.memset(ctypes.addressof(value), POISON_BYTE, ctypes.sizeof(value))
        return value

    def read(self, value):
        raw = bytes(value)
        if raw == bytes([POISON_BYTE]) * len(raw):
            return UNTOUCHED
        if self.is_buffer:
            return raw.hex() if self.kind[0] == "b" else raw.split(b"\0")[0].decode(errors="replace")
        if self.kind == "text":
            return value.value and ctypes.string_at(value.value).decode(errors="replace")
        return value.value

    def shown(self, value):
        if isinstance(value, int) and value > 2**32:
            return hex(value)
        if self.kind == "str":
            return value.decode() if len(value) < 80 else f"{len(value)} bytes"
        if self.kind == "ref":
            return None if value is None else "by address"
        return value


class Result:
    """What one driver call answered; `code` is None where the symbol is absent."""

    def __init__(self, code, out, nanoseconds=None):
        self.code, self.out, self.nanoseconds = code, out, nanoseconds

    def __getitem__(self, key):
        return self.out[key]

    @property
    def ok(self):
        return self.code == 0

    def __str__(self):
        return "absent" if self.code is None else str(self.code)


class Driver:
    """A loaded libcuda. Attribute access gives a recorded call: `driver.cuInit(0)`."""

    def __init__(self, path, record, about_to_call):
        self.library = ctypes.CDLL(path)
        self.record, self.about_to_call = record, about_to_call
        self.functions = {}

    def parameters(self, name):
        return [Parameter(text) for text in SIGNATURES[name].split()]

    def raw(self, name):
        """The bare ctypes function with its argument types set, or None where it is absent."""
        if name not in self.functions:
            function = getattr(self.library, name, None)
            if function is not None:
                # An instance of its own: attributes of the library object are shared.
                function = ctypes.CFUNCTYPE(ctypes.c_int, *[p.argtype for p in self.parameters(name)])(
                    ctypes.cast(function, ctypes.c_void_p).value)
            self.functions[name] = function
        return self.functions[name]

    def address(self, name):
        function = getattr(self.library, name, None)
        return function and ctypes.cast(function, ctypes.c_void_p).value

    def __getattr__(self, name):
        if not name.startswith("cu") or name not in SIGNATURES:
            raise AttributeError(name)
        return lambda *arguments: self.call(name, arguments)

    def call(self, name, arguments):
        parameters, given = self.parameters(name), iter(arguments)
        function = self.raw(name)
        values = [p.poisoned() if p.is_out else next(given) for p in parameters]
        shown = {p.name: p.shown(v) for p, v in zip(parameters, values) if not p.is_out}
        if function is None:
            self.record(call=name, args=shown, code=None, name="absent symbol", out={}, ns=None)
            return Result(None, {p.name: UNTOUCHED for p in parameters if p.is_out})
        passed = [ctypes.addressof(v) if p.is_out or p.kind == "ref" and v is not None else v
                  for p, v in zip(parameters, values)]
        self.about_to_call(name)
        start = time.perf_counter_ns()
        code = function(*passed)
        elapsed = time.perf_counter_ns() - start
        self.about_to_call("")
        out = {p.name: p.read(v) for p, v in zip(parameters, values) if p.is_out}
        self.record(call=name, args=shown, code=code, name=result_codes.name(code),
                    out={p.name: p.shown(out[p.name]) for p in parameters if p.is_out}, ns=elapsed)
        return Result(code, out, elapsed)
