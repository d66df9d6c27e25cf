"""A small PyTorch model and its training, and a comparison of two states."""

import torch
from torch import nn


def same(one: object, other: object) -> bool:
    """Whether two states are equal in type, structure and every bit."""
    if isinstance(one, torch.Tensor):
        described = [(x.dtype, x.shape, x.stride(), x.requires_grad, _bytes(x)) for x in (one, other)]
        return described[0] == described[1]
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def _bytes(tensor: torch.Tensor) -> bytes:
    tensor = tensor.detach().resolve_conj()
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def gradients(module: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    module.zero_grad()
    module(torch.randn(5, 3)).square().mean().backward()


def train(module: nn.Module, optimizer: torch.optim.Optimizer, scheduler: object, steps: range) -> None:
    for step in steps:
        gradients(module, step)
        optimizer.step(lambda: module(torch.ones(5, 3)).square().mean())
        if scheduler is not None:
            scheduler.step()
