"""E3: how many references PyTorch and others hold, and what they meet when those are released."""

import functools
import gc

from .cells import cell

BOUND = 8
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


def torch_second_thread(run):
    return [torch_tensor(run), run.on_thread("second", lambda: torch_tensor(run))]


def torch_graph_stream(run):
    import torch
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        tensor = torch.ones(1024, device="cuda")
    stream.synchronize()
    return [stream, tensor]


def torch_pinned(run):
    import torch
    return torch.empty(1024, pin_memory=True)


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
    "torch-second-thread": (torch_second_thread,),
    "torch-stream": (torch_graph_stream,),
    "torch-pinned-memory": (torch_pinned,),
    "cupy": (cupy_array,),
    "numba": (numba_array,),
    "jax": (jax_array,),
    "torch-and-cupy": (torch_tensor, cupy_array),
    "torch-and-numba": (torch_tensor, numba_array),
    "torch-and-jax": (torch_tensor, jax_array),
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
    released, last, state = run.release_until_inactive(device, BOUND)
    surplus = run.release(device)
    return f"states {' '.join(states)}; {released} releases, last {last} -> {state}; one more {surplus}"


for holder, touches in HOLDERS.items():
    cell("E3", f"count-{holder}", needs=needs_of(holder), timeout=120, environment=ENVIRONMENT)(
        functools.partial(count_references, holders=touches))


@cell("E3", "torch-steps", needs=("torch",), timeout=120)
def torch_steps(run):
    """Which step of PyTorch's start activates the context."""
    device = run.device()
    seen = [f"before {run.state(device)}"]

    def step(name, action):
        action()
        seen.append(f"{name} {run.state(device)}")

    import torch
    step("import", lambda: None)
    step("is_available", torch.cuda.is_available)
    step("device_count", torch.cuda.device_count)
    step("cuda.init", torch.cuda.init)
    step("get_device_name", torch.cuda.get_device_name)
    step("set_device", lambda: torch.cuda.set_device(0))
    step("current_stream", torch.cuda.current_stream)
    step("tensor", lambda: torch_tensor(run))
    return "; ".join(seen)


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


def free(run, objects, summary):
    """Frees what was made before, which may end the process: what came until then is noted first."""
    run.note(until_now=summary)
    run.about_to_call("torch freeing what existed")
    objects.drop()
    run.about_to_call("")
    return f"{summary}; freed what existed"


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


def use_after_steal(run, name):
    """All references of PyTorch released, then one use of PyTorch, twice."""
    device = run.device()
    objects = TorchObjects()
    released, last, state = run.release_until_inactive(device, BOUND)
    run.about_to_call(f"torch {name}")
    first = attempt(USES[name], objects)
    run.note(use=name, answer=first, state=run.state(device))
    run.about_to_call(f"torch {name} again")
    second = attempt(USES[name], objects)
    run.about_to_call("")
    return free(run, objects,
                f"{released} releases -> {state}; {name} {first} -> {run.state(device)}; "
                f"again {second}; current {run.driver.cuCtxGetCurrent()}, "
                f"cuCtxSynchronize {run.driver.cuCtxSynchronize()}")


for use_name in USES:
    cell("E3", f"stolen-then-{use_name}", needs=("torch",), timeout=120)(
        functools.partial(use_after_steal, name=use_name))


@cell("E3", "stolen-under-own-retain", needs=("torch",), timeout=120)
def stolen_under_own_retain(run):
    """We retain first and release once for PyTorch: the count never gets to 0, PyTorch goes on."""
    device = run.device()
    run.retain(device)
    objects = TorchObjects()
    stolen = run.release(device)
    state = run.state(device)
    answers = []
    for name, use in USES.items():
        run.about_to_call(f"torch {name}")
        answers.append(f"{name} {attempt(use, objects)}")
    run.about_to_call("")
    run.note(answers=answers)
    wrong = [answer for answer in answers if "raises" in answer]
    left, last, end = run.release_until_inactive(device, BOUND)
    return (f"stolen {stolen}->{state}; {len(answers) - len(wrong)} of {len(answers)} uses work"
            f"{': ' + '; '.join(wrong) if wrong else ''}; "
            f"{left} releases more until {end}")


@cell("E3", "stolen-then-retained", needs=("torch",), timeout=120)
def stolen_then_retained(run):
    """The count gets to 0 and a new retain revives the context before PyTorch is used again."""
    device = run.device()
    objects = TorchObjects()
    released, _, state = run.release_until_inactive(device, BOUND)
    run.retain(device)
    answers = []
    for name in ("fresh-tensor", "live-tensor-to-host", "matmul", "stream-synchronize"):
        run.about_to_call(f"torch {name}")
        answers.append(f"{name} {attempt(USES[name], objects)}")
        run.note(use=name, answer=answers[-1])
    run.about_to_call("")
    return free(run, objects, f"{released} releases -> {state}, retained; {'; '.join(answers)}")


@cell("E3", "reset-then-used", needs=("torch",), timeout=120)
def reset_then_used(run):
    """A reset from outside instead of releases: does PyTorch come back, is its reference kept?"""
    device = run.device()
    objects = TorchObjects()
    reset = run.driver.cuDevicePrimaryCtxReset_v2(device)
    answers = [f"reset {reset} -> {run.state(device)}"]
    for name in ("fresh-tensor", "live-tensor-to-host", "matmul"):
        run.about_to_call(f"torch {name}")
        answers.append(f"{name} {attempt(USES[name], objects)}")
        run.note(use=name, answer=answers[-1], state=run.state(device))
    run.about_to_call("")
    released, last, state = run.release_until_inactive(device, BOUND)
    return free(run, objects,
                f"{'; '.join(answers)}; {released} releases, last {last} -> {state}")
