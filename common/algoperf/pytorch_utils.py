"""Public name for submissions: what a PyTorch process has to know of its place among others."""

from algoperf.frameworks.torch.batch_norm import update_batch_norm_fn
from algoperf.frameworks.torch.processes import pytorch_setup, sync_ddp_time

__all__ = ["pytorch_setup", "sync_ddp_time", "update_batch_norm_fn"]
