"""This process's place among others: what torchrun says in the environment."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


def pytorch_setup() -> tuple[bool, int, torch.device, int]:
    """`(use_ddp, rank, device, n_gpus)`, from the environment alone; submissions call it when imported."""
    use_ddp = "LOCAL_RANK" in os.environ
    rank = int(os.environ["LOCAL_RANK"]) if use_ddp else 0
    device = torch.device(f"cuda:{rank}" if torch.cuda.is_available() else "cpu")
    return use_ddp, rank, device, torch.cuda.device_count()


def sync_ddp_time(time: float, device: torch.device) -> float:
    """The largest of all processes' times."""
    tensor = torch.tensor(time, dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return tensor.item()
