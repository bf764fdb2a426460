from triton.backends.nvidia.driver import CudaUtils

utils = CudaUtils()
try:
    print(utils.get_device_properties(1)["multiprocessor_count"])
except RuntimeError as error:
    print(error)
