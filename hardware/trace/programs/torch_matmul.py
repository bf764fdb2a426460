"""PyTorch with a matrix product, which brings in cuBLAS."""

import torch

matrix = torch.ones(64, 64, device="cuda")
print("sum", (matrix @ matrix).sum().item())
