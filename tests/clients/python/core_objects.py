#!/usr/bin/env python3
"""NVIDIA's cuda-core, unchanged, on the driver that LD_LIBRARY_PATH names. Prints one line."""

from importlib.metadata import version

from cuda.bindings import driver
from cuda.core import Device


def state(device):
    code, _, active = driver.cuDevicePrimaryCtxGetState(device.device_id)
    assert code == driver.CUresult.CUDA_SUCCESS, code
    return active


devices = Device.get_all_devices() if hasattr(Device, "get_all_devices") else [Device(0), Device(1)]
assert len(devices) >= 2, devices
device = devices[1]
# Not pci_bus_id: cuda-core gets it from the CUDA runtime, which needs the driver's
# undocumented export tables.
assert device.name and device.uuid
assert device.compute_capability.major > 0
assert not any(map(state, devices)), "looking created a context"
device.set_current()
assert [state(each) for each in devices] == [0, 1] + [0] * (len(devices) - 2)
stream = device.create_stream()
stream.sync()
event = stream.record()
event.sync()
stream.close()
print(f"cuda-core {version('cuda-core')}: {len(devices)} devices, {device.name}")
