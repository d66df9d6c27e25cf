"""Initialisation and layers that torch does not have in the form the benchmark needs."""

from __future__ import annotations

import math

import torch

# Standard deviation of a standard normal cut at +-2: dividing by it gives the cut one the wanted deviation.
_TRUNCATED_STD = 0.87962566103423978


def lecun_normal_(module: torch.nn.Module) -> None:
    """For `model.apply`: JAX's default initialisation of linear and convolution layers, in place.

    Weights are truncated normal with variance 1 / fan_in, cut at two standard deviations; biases are zero.
    """
    if not isinstance(module, (torch.nn.Linear, torch.nn.modules.conv._ConvNd)):
        return
    fan_in = module.weight[0].numel()
    std = math.sqrt(1.0 / fan_in) / _TRUNCATED_STD
    torch.nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    if module.bias is not None:
        torch.nn.init.zeros_(module.bias)
