"""Public name for submissions: the rank and device of a PyTorch process among others."""

from algoperf.frameworks.torch.batch_norm import update_batch_norm_fn
from algoperf.frameworks.torch.processes import pytorch_setup, sync_ddp_time

__all__ = ["pytorch_setup", "sync_ddp_time", "update_batch_norm_fn"]
