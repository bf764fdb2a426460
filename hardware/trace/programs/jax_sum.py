"""JAX."""

import jax
import jax.numpy

print(jax.default_backend(), "sum", float(jax.numpy.ones((64, 64)).dot(jax.numpy.ones((64, 64))).sum()))
