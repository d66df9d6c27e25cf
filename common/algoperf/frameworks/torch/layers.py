"""What torch lacks in the form the benchmark needs: initialisation, and activation functions by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

Activation = Callable[[torch.Tensor], torch.Tensor]
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu, "silu": F.silu, "gelu": partial(F.gelu, approximate="tanh"), "tanh": torch.tanh,
}  # fmt: skip

# Standard deviation of a standard normal truncated at +-2: dividing by it corrects for the truncation.
_TRUNCATED_STD = 0.87962566103423978


def lecun_normal_(module: torch.nn.Module) -> None:
    """For `model.apply`: JAX's default initialisation of linear and convolution layers, in place.

    Weights are normal with variance 1 / fan_in, truncated at two standard deviations; biases are zero.
    """
    if not isinstance(module, (torch.nn.Linear, torch.nn.modules.conv._ConvNd)):
        return
    fan_in = module.weight[0].numel()
    std = math.sqrt(1.0 / fan_in) / _TRUNCATED_STD
    torch.nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    if module.bias is not None:
        torch.nn.init.zeros_(module.bias)
