"""E3: how many references PyTorch and others hold, and what they meet when those are released."""

import functools
import gc

from .cells import cell

ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}


def torch_tensor(run):
    import torch
    tensor = torch.ones(1024, device="cuda")
    torch.cuda.synchronize()
    return tensor


def torch_product(run):
    """A product of matrices: PyTorch makes its cuBLAS handle and workspace."""
    import torch
    square = torch.ones(64, 64, device="cuda")
    product = square @ square
    torch.cuda.synchronize()
    return product


def cupy_array(run):
    import cupy
    array = cupy.ones(1024)
    cupy.cuda.Device(0).synchronize()
    return array


def jax_array(run):
    import jax
    return jax.numpy.zeros(1024).block_until_ready()


def numba_array(run):
    from numba import cuda
    return cuda.device_array(1024)


HOLDERS = {
    "torch": (torch_tensor,),
    "torch-cublas": (torch_product,),
    "cupy": (cupy_array,),
    "numba": (numba_array,),
    "jax": (jax_array,),
    "torch-and-cupy": (torch_tensor, cupy_array),
}


def needs_of(name):
    return tuple(package for package in ("torch", "cupy", "numba", "jax") if package in name)


def count_references(run, holders):
    """States after each library's touch, then releases until the context is inactive."""
    device = run.device()
    states, alive = [run.state(device)], []
    for touch in holders:
        alive.append(touch(run))
        states.append(run.state(device))
    released, last, state = run.release_until_inactive(device)
    surplus = run.release(device)
    return f"states {' '.join(states)}; {released} releases, last {last} -> {state}; one more {surplus}"


for holder, touches in HOLDERS.items():
    cell("E3", f"count-{holder}", needs=needs_of(holder), timeout=120, environment=ENVIRONMENT)(
        functools.partial(count_references, holders=touches))


class TorchObjects:
    """Live objects made before the references are taken away."""

    def __init__(self):
        import torch
        self.torch = torch
        self.tensor = torch.ones(1024, device="cuda")
        self.square = torch.ones(64, 64, device="cuda")
        self.product = self.square @ self.square
        self.stream, self.event = torch.cuda.Stream(), torch.cuda.Event()
        self.event.record(self.stream)
        torch.cuda.synchronize()

    def drop(self):
        self.tensor = self.square = self.product = self.stream = self.event = None
        gc.collect()


def free(run, objects, line):
    """Frees what was made before, which may end the process: the line is printed first, as well."""
    print(f"summary: {line}", flush=True)
    run.about_to("free what existed")
    objects.drop()
    return f"{line}; freed what existed"


USES = {
    "nothing": lambda o: None,
    "live-tensor": lambda o: (o.tensor + 1).sum().item(),
    "live-tensor-to-host": lambda o: o.tensor.cpu().sum().item(),
    "fresh-tensor": lambda o: o.torch.ones(16, device="cuda").sum().item(),
    "fresh-large-tensor": lambda o: o.torch.ones(2**26, device="cuda").sum().item(),
    "matmul": lambda o: (o.square @ o.square).sum().item(),
    "synchronize": lambda o: o.torch.cuda.synchronize(),
    "stream-synchronize": lambda o: o.stream.synchronize(),
    "event-query": lambda o: o.event.query(),
    "new-stream": lambda o: o.torch.cuda.Stream().synchronize(),
    "memory-info": lambda o: o.torch.cuda.mem_get_info()[1] > 0,
    "empty-cache": lambda o: (o.drop(), o.torch.cuda.empty_cache()) and None,
}


def attempt(use, objects):
    """The value of a use, or its exception's first line."""
    try:
        return f"gives {use(objects)}"
    except BaseException as error:
        lines = str(error).strip().splitlines() or [""]
        return f"raises {type(error).__name__}: {lines[0][:140]}"


def use_several(run, objects, names):
    seen = []
    for name in names:
        run.about_to(name)
        seen.append(f"{name} {attempt(USES[name], objects)}")
    return seen


def use_after_release(run, name):
    """All references of PyTorch released, then one use of PyTorch, twice."""
    device, objects = run.device(), TorchObjects()
    released, _, state = run.release_until_inactive(device)
    first, second = use_several(run, objects, (name, name))
    return free(run, objects, f"{released} releases -> {state}; {first} -> {run.state(device)}; again {second}")


for use_name in USES:
    cell("E3", f"stolen-then-{use_name}", needs=("torch",), timeout=120)(
        functools.partial(use_after_release, name=use_name))


@cell("E3", "stolen-under-own-retain", needs=("torch",), timeout=120)
def under_own_retain(run):
    """A reference of our own, then one release too many: the count never gets to 0, PyTorch goes on."""
    device = run.device()
    run.retain(device)
    objects = TorchObjects()
    released = run.release(device)
    seen = use_several(run, objects, USES)
    failed = [each for each in seen if "raises" in each]
    return f"release {released} -> {run.state(device)}; {len(seen) - len(failed)} of {len(seen)} uses work {failed or ''}"


@cell("E3", "stolen-then-retained", needs=("torch",), timeout=120)
def then_retained(run):
    """The count gets to 0, and a new retain revives the context before PyTorch is used again."""
    device, objects = run.device(), TorchObjects()
    released, _, state = run.release_until_inactive(device)
    run.retain(device)
    seen = use_several(run, objects, ("fresh-tensor", "live-tensor-to-host", "matmul", "stream-synchronize"))
    return free(run, objects, f"{released} releases -> {state}, retained; {'; '.join(seen)}")


@cell("E3", "reset-then-used", needs=("torch",), timeout=120)
def reset_then_used(run):
    """A reset from outside in place of releases."""
    device, objects = run.device(), TorchObjects()
    reset = run.driver.cuDevicePrimaryCtxReset_v2(device)
    seen = use_several(run, objects, ("fresh-tensor", "live-tensor-to-host", "matmul"))
    return free(run, objects, f"reset {reset}; {'; '.join(seen)}")
