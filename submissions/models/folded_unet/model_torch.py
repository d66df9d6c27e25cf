# SPDX-License-Identifier: Apache-2.0
"""A U-Net that predicts what is missing in its input, on pictures folded into a quarter of their places.

The input of fastmri is a picture already, reconstructed from a quarter of the measurements. The published U-Net draws
the picture anew; this one adds a correction to it. It folds two by two pixels into channels
(https://arxiv.org/abs/1609.05158), so its largest convolutions run at half the resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.task import Task

COMPILE = ("model",)
_FOLD = 2


class _Block(nn.Module):
    """Convolution 3x3, normalisation, SiLU."""

    def __init__(self, num_inputs: int, num_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, num_channels, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(4, num_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, num_channels, H, W)."""
        return F.silu(self.norm(self.conv(x)))


class FoldedUNet(nn.Module):
    """Halves the folded picture `num_levels` times and doubles it as often; the result is added to the input."""

    def __init__(self, width: int, num_levels: int) -> None:
        super().__init__()
        widths = [width << level for level in range(num_levels + 1)]
        self.down = nn.ModuleList(_Block(*pair) for pair in zip([_FOLD**2, *widths[:-1]], widths, strict=True))
        pairs = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.up = nn.ModuleList(_Block(below + beside, beside) for below, beside in pairs)
        self.correction = nn.Conv2d(width, _FOLD**2, 3, padding=1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Pictures (N, H, W), of even sides, to pictures (N, H, W)."""
        x = F.pixel_unshuffle(inputs[:, None], _FOLD)
        beside = []
        for block in self.down[:-1]:
            x = block(x)
            beside.append(x)
            x = F.avg_pool2d(x, 2)
        x = self.down[-1](x)
        for block, skipped in zip(self.up, reversed(beside), strict=True):
            x = F.interpolate(x, skipped.shape[2:], mode="nearest")
            x = block(torch.cat((x, skipped), dim=1))
        return inputs + F.pixel_shuffle(self.correction(x), _FOLD)[:, 0]


def build(task: Task) -> nn.Module:
    """The model for a task whose targets are pictures of the size of its inputs."""
    if task.num_classes is not None or task.inputs != task.targets:
        raise ValueError(f"{task.name} is not a task from pictures to pictures")
    is_mini = task.scale == "mini"
    return FoldedUNet(width=32 if is_mini else 64, num_levels=1 if is_mini else 3)
