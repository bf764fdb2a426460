import drjit
from drjit.cuda import Float

try:
    print(drjit.sum(Float(1, 2, 3)))
except RuntimeError as error:
    print(type(error).__name__, str(error)[:200])
