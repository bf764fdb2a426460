"""An import that makes no context."""

import torch

print("CUDA" if torch.version.cuda else "no CUDA")
