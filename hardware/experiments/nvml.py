"""NVML through ctypes: device memory and the process list, a witness outside the driver."""

import ctypes
import time

from .cells import Skip


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_uint64), ("free", ctypes.c_uint64), ("used", ctypes.c_uint64)]


class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint32), ("used", ctypes.c_uint64),
                ("gpu_instance", ctypes.c_uint32), ("compute_instance", ctypes.c_uint32)]


class Nvml:
    """A device by its UUID, or the first; OSError if NVML is absent or does not start."""

    def __init__(self, uuid=None):
        self.library, self.device = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p()
        self.check("nvmlInit_v2")
        if uuid:
            self.check("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(self.device))
        else:
            self.check("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint32(0), ctypes.byref(self.device))

    def check(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise OSError(f"{name} returned {code}")

    def used_mib(self):
        memory = Memory()
        self.check("nvmlDeviceGetMemoryInfo", self.device, ctypes.byref(memory))
        return round(memory.used / 2**20, 1)

    def settled_mib(self):
        """Used MiB once two looks agree: the driver returns memory with some delay."""
        deadline, last = time.monotonic() + 2, self.used_mib()
        while time.monotonic() < deadline:
            time.sleep(0.12)
            now = self.used_mib()
            if now == last:
                break
            last = now
        return last

    def processes(self):
        """The ids of the compute processes on the device, as far as NVML shows them."""
        count, found = ctypes.c_uint32(64), (Process * 64)()
        self.check("nvmlDeviceGetComputeRunningProcesses_v3", self.device, ctypes.byref(count), found)
        return [process.pid for process in found[:count.value]]


def witness(uuid=None):
    """NVML, or a skip if it is absent."""
    try:
        return Nvml(uuid)
    except (OSError, AttributeError) as error:
        raise Skip(f"it needs NVML: {error}")
