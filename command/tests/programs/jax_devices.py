import jax

try:
    print(jax.devices("cuda"))
except RuntimeError as error:
    print(str(error)[:200])
