"""CuPy."""

import cupy

print("sum", float((cupy.arange(8.0) + 1).sum()))
