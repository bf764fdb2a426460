import numpy
from numba import cuda

cuda.select_device(1)
array = cuda.to_device(numpy.zeros(16))
print(cuda.get_current_device().id, array.shape)
