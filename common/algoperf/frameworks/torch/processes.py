"""This process's rank among others, from torchrun's environment variables."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


def pytorch_setup() -> tuple[bool, int, torch.device, int]:
    """`(use_ddp, rank, device, n_gpus)`, from the environment alone, because submissions call it at import."""
    use_ddp = "LOCAL_RANK" in os.environ
    rank = int(os.environ["LOCAL_RANK"]) if use_ddp else 0
    device = torch.device(f"cuda:{rank}" if torch.cuda.is_available() else "cpu")
    return use_ddp, rank, device, torch.cuda.device_count()


def sync_ddp_time(time: float, device: torch.device) -> float:
    """The maximum of the times of all processes."""
    tensor = torch.tensor(time, dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return tensor.item()
