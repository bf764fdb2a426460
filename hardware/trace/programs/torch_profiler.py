"""torch.profiler, which uses CUPTI as its one subscriber, still sees the kernels."""

import torch
from torch.profiler import ProfilerActivity, profile

matrix = torch.ones(64, 64, device="cuda")
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
    (matrix @ matrix).sum().item()
    torch.cuda.synchronize()
kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
print("kernels seen", len(kernels) > 0)
