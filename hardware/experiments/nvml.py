"""NVML through ctypes: device memory and the process list, the witness outside the driver."""

import ctypes
import time


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_uint64), ("free", ctypes.c_uint64), ("used", ctypes.c_uint64)]


class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint32), ("used", ctypes.c_uint64),
                ("gpu_instance", ctypes.c_uint32), ("compute_instance", ctypes.c_uint32)]


class Nvml:
    """A device by its UUID, else the first that NVML names. OSError where NVML is absent or does not start."""

    def __init__(self, uuid=None):
        self.library = ctypes.CDLL("libnvidia-ml.so.1")
        self.check("nvmlInit_v2")
        self.device = ctypes.c_void_p()
        if uuid:
            self.check("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(self.device))
        else:
            self.check("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint32(0), ctypes.byref(self.device))

    def check(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise OSError(f"{name} answered {code}")

    def text(self, name, *first):
        buffer = ctypes.create_string_buffer(96)
        self.check(name, *first, buffer, ctypes.c_uint32(96))
        return buffer.value.decode()

    def number(self, name):
        """An enumeration or a number of the device."""
        value = ctypes.c_uint32()
        self.check(name, self.device, ctypes.byref(value))
        return value.value

    def device_count(self):
        count = ctypes.c_uint32()
        self.check("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return count.value

    def used(self):
        """Used device memory in bytes, all processes together."""
        memory = Memory()
        self.check("nvmlDeviceGetMemoryInfo", self.device, ctypes.byref(memory))
        return memory.used

    def settled_mib(self, settle=0.12, limit=2.0):
        """Used MiB once two looks agree: the driver gives memory back with some delay."""
        deadline, last = time.monotonic() + limit, self.used()
        while time.monotonic() < deadline:
            time.sleep(settle)
            now = self.used()
            if now == last:
                break
            last = now
        return round(last / 2**20, 1)

    def processes(self):
        """{pid: MiB} of the compute processes on the device, as far as NVML shows them."""
        count, found = ctypes.c_uint32(64), (Process * 64)()
        self.check("nvmlDeviceGetComputeRunningProcesses_v3", self.device, ctypes.byref(count), found)
        return {found[i].pid: None if found[i].used == 2**64 - 1 else round(found[i].used / 2**20, 1)
                for i in range(count.value)}
