"""Batch normalisation of rows with paddings, and switching updates of running statistics on and off."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over the frames that are not padding; both kinds of variance are biased.

    Args:
      width: size of the last axis.
      momentum: how far a step moves the running statistics, as in torch.
      scale: name of the parameter that holds scales, as differences from 1.
      synchronised: whether the statistics are those of all processes, or of this one.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, width: int, momentum: float, *, scale: str = "scale", synchronised: bool = False) -> None:
        super().__init__()
        self._scale, self._synchronised = scale, synchronised
        self.momentum, self.epsilon = momentum, 1e-3
        self.register_parameter(scale, nn.Parameter(torch.zeros(width)))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: torch.Tensor, paddings: torch.Tensor) -> torch.Tensor:
        """Normalise (B, T, width), and set padding to zero. In training mode, running statistics move."""
        real = 1 - paddings[..., None]
        if self.training:
            count = self._total(real.sum()).clamp(min=1)
            mean = self._total((x * real).sum(dim=(0, 1))) / count
            centred = x - mean  # once: backward passes keep it
            variance = self._total((centred.square() * real).sum(dim=(0, 1))) / count
            self._move(mean, variance)
        else:
            centred, variance = x - self.running_mean, self.running_var
        factor = (1 + getattr(self, self._scale)) * torch.rsqrt(variance + self.epsilon)
        return (centred * factor + self.bias) * real

    @torch.no_grad()
    def _move(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)

    def _total(self, values: torch.Tensor) -> torch.Tensor:
        if not self._synchronised or not dist.is_initialized():
            return values
        total: torch.Tensor = _SumOverProcesses.apply(values)
        return total


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; each process's loss depends on it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        del ctx
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return _SumOverProcesses.forward(ctx, gradients[0].contiguous())


KINDS = (_BatchNorm, MaskedBatchNorm)
"""Modules with running statistics and a momentum."""


def update_batch_norm_fn(module: torch.nn.Module, update_batch_norm: bool) -> None:
    """For `model.apply`: without updates, batch statistics still normalise, but a momentum of 0 discards them.

    The old momentum is kept in `momentum_backup`; the next updating pass restores it.
    """
    if not isinstance(module, KINDS):
        return
    if not update_batch_norm:
        if not hasattr(module, "momentum_backup"):
            module.momentum_backup = module.momentum  # type: ignore[assignment]
        module.momentum = 0.0
    elif hasattr(module, "momentum_backup"):
        module.momentum = module.momentum_backup  # type: ignore[assignment]
