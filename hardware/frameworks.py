"""Runs the Python package's modules for frameworks with the real frameworks; prints a line for each.

    python hardware/frameworks.py

It needs the package cuda_primary_context; a folder on PYTHONPATH is enough. Lightning runs a Trainer on the CPU and
on the last GPU. If there are several GPUs, a stray on GPU 0 is made first: the callback must report it, and release
it if asked. dask runs a LocalCluster of two processes, with a stray in each. A framework that is not installed is
skipped.
"""

import importlib.util
import logging
import sys

import cuda_primary_context as cpc


class Heard(logging.Handler):
    """Keeps the warnings of the package."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []
        logging.getLogger("cuda_primary_context").addHandler(self)

    def emit(self, record):
        self.lines.append(record.getMessage())


def make_stray():
    import torch

    torch.zeros(1, device="cuda:0")
    torch.cuda.synchronize(0)
    torch.cuda.empty_cache()


def train(*callbacks, **where):
    import lightning.pytorch as lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, _):
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = lightning.Trainer(max_epochs=1, callbacks=[*callbacks], **dict.fromkeys(quiet, False), **where)
    trainer.fit(Model(), DataLoader(TensorDataset(torch.ones(8, 4)), batch_size=4))
    assert trainer.global_step == 2, trainer.global_step


def lightning():
    import torch
    from cuda_primary_context.lightning import StrayContexts

    heard = Heard()
    train(StrayContexts(), accelerator="cpu")
    assert not heard.lines, heard.lines
    print("lightning on the CPU: trained, nothing reported")
    gpus = torch.cuda.device_count()
    if gpus == 0:
        print("skipped: lightning on a GPU: there is none")
        return
    last = gpus - 1
    if last:
        make_stray()
    train(StrayContexts(), accelerator="gpu", devices=[last])
    reported = [line for line in heard.lines if line.endswith("holds strays on [0].")]
    assert len(reported) == (1 if last else 0), heard.lines
    callback = StrayContexts(release=True)
    train(callback, accelerator="gpu", devices=[last])
    active = [context.ordinal for context in cpc.contexts()]
    assert active == [last], active
    print(f"lightning on GPU {last}: trained, strays reported: {len(reported)}, then {callback.report.summary}")


def dask():
    from cuda_primary_context.dask import StrayContexts
    from distributed import Client, LocalCluster

    last = len(cpc.devices()) - 1
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.run(use_devices, sorted({0, last}))
            client.register_plugin(StrayContexts(device=last, release=True))
            found = set(client.run(active).values())
    assert found == {(last,)}, found
    print(f"dask: both workers have a context on device {last} alone")


def use_devices(ordinals):
    """Leaves one reference on each device, as a library does that looks at it."""
    import ctypes

    driver, device, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_void_p()
    assert driver.cuInit(0) == 0
    for ordinal in ordinals:
        assert driver.cuDeviceGet(ctypes.byref(device), ordinal) == 0
        assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0


def active():
    return tuple(context.ordinal for context in cpc.contexts())


def main():
    for framework, *packages in ((dask, "distributed"), (lightning, "lightning", "torch")):
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            print(f"skipped: {framework.__name__}: {missing[0]} is not installed")
        else:
            framework()


if __name__ == "__main__":
    sys.exit(main())
