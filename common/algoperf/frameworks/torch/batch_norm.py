"""Switches updates of the running statistics of batch normalisation on and off."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def update_batch_norm_fn(module: torch.nn.Module, update_batch_norm: bool) -> None:
    """For `model.apply`: without updates, batch statistics still normalise, but a momentum of 0 discards them.

    The old momentum is kept in `momentum_backup`; the next updating pass restores it.
    """
    if not isinstance(module, _BatchNorm):
        return
    if not update_batch_norm:
        if not hasattr(module, "momentum_backup"):
            module.momentum_backup = module.momentum  # type: ignore[assignment]
        module.momentum = 0.0
    elif hasattr(module, "momentum_backup"):
        module.momentum = module.momentum_backup  # type: ignore[assignment]
