"""Layers of the speech models, and their initialisation.

Scales of the normalisations are stored as differences from 1. Paddings (B, T) are 1 behind the end of a row, else 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.frameworks.torch.layers import Activation

_LAYER_NORM_EPSILON = 1e-6


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.bias = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (..., width)."""
        return F.layer_norm(x, self.scale.shape, 1 + self.scale, self.bias, _LAYER_NORM_EPSILON)


class Conv2dSubsampling(nn.Module):
    """A 3x3 convolution with stride 2 in time and frequency, padded as XLA pads it.

    Its output is large: of the first layer, 80 MB per utterance of 20 s. So the activation, which must keep zero, comes
    last, behind the margin that the next layer needs: backward passes then keep one tensor for both.
    """

    def __init__(self, num_inputs: int, num_outputs: int, activation: Activation = F.relu) -> None:
        super().__init__()
        self.kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(num_outputs, num_inputs, 3, 3)))
        self.bias = nn.Parameter(torch.zeros(num_outputs))
        self.activation = activation

    def forward(self, x: torch.Tensor, paddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, T, F) with its margin to half of T and F, rounded up, without activation; padding becomes zero."""
        x = F.conv2d(x, self.kernel, self.bias, stride=2)
        paddings = paddings[:, ::2]
        return x * (1 - paddings[:, None, :, None]), paddings


def _with_margin(x: torch.Tensor) -> torch.Tensor:
    """(B, C, T, F) with the zeros that XLA adds around an input of such a convolution."""
    before = [size % 2 for size in (x.shape[3], x.shape[3], x.shape[2], x.shape[2])]
    before[1] = before[3] = 1
    return F.pad(x, before)


def subsample(
    x: torch.Tensor, paddings: torch.Tensor, first: Conv2dSubsampling, second: Conv2dSubsampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (B, T, 80) to a quarter of the frames with all channels of all bins: (B, T / 4, 20 * channels)."""
    x, paddings = first(_with_margin(x[:, None]), paddings)
    x = _with_margin(x)  # line by line, so that no tensor outlives the next
    x = first.activation(x)
    x, paddings = second(x, paddings)
    return second.activation(x.permute(0, 2, 3, 1).flatten(2)), paddings


def xavier_(module: nn.Module) -> None:
    """For `model.apply`: initialise linear layers and convolutions over time in place, with biases of zero."""
    if isinstance(module, (nn.Linear, nn.Conv1d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
