"""A thread that selects no device."""

import threading

import torch


def prefetch():
    torch.ones(8, device="cuda")


helper = threading.Thread(target=prefetch, name="prefetch")
helper.start()
helper.join()
print("done")
