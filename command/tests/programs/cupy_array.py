import cupy

print(cupy.cuda.runtime.getDeviceCount())
try:
    with cupy.cuda.Device(1):
        print(cupy.empty(16).shape)
except cupy.cuda.runtime.CUDARuntimeError as error:
    print(error)
