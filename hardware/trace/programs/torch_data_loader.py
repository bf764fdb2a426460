"""A DataLoader with forked workers and pinned memory."""

import torch
from torch.utils.data import DataLoader, TensorDataset

torch.ones(1, device="cuda")  # the context is there before the workers are forked
data = TensorDataset(torch.arange(64, dtype=torch.float32))
loader = DataLoader(data, batch_size=8, num_workers=2, pin_memory=True)
print("sum", sum(batch.to("cuda").sum().item() for (batch,) in loader))
