"""A kernel of Numba."""

import numpy
from numba import cuda


@cuda.jit
def increment(numbers):
    place = cuda.grid(1)
    if place < numbers.size:
        numbers[place] += 1


numbers = cuda.to_device(numpy.arange(8.0))
increment[1, 32](numbers)
print("sum", numbers.copy_to_host().sum())
