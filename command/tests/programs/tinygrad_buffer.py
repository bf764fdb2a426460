from tinygrad import Device

try:
    device = Device["CUDA:1"]
    print(device.device, device.allocator.alloc(64) is not None)
except Exception as error:
    print(type(error).__name__, str(error)[:200])
