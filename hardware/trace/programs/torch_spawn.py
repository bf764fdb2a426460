"""Two workers that torch.multiprocessing spawns, each with a context of its own."""

import torch
import torch.multiprocessing


def work(rank, sums):
    sums[rank] = torch.ones(8, device="cuda").sum().item()


if __name__ == "__main__":
    context = torch.multiprocessing.get_context("spawn")
    sums = context.Array("d", 2)
    torch.multiprocessing.spawn(work, (sums,), nprocs=2)
    print("sums", list(sums))
