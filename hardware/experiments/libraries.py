"""E3: what PyTorch meets when other code has released all of its references."""

import functools
import gc

from .cells import cell


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
    "live-tensor-to-host": lambda o: o.tensor.cpu().sum().item(),
    "fresh-tensor": lambda o: o.torch.ones(16, device="cuda").sum().item(),
    "matmul": lambda o: (o.square @ o.square).sum().item(),
    "stream-synchronize": lambda o: o.stream.synchronize(),
    "new-stream": lambda o: o.torch.cuda.Stream().synchronize(),
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
