"""Residual networks for images. Modules have their published names, because submissions and checkpoints use them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.frameworks.torch.layers import ACTIVATIONS, Activation, lecun_normal_


def _conv(num_inputs: int, num_outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(num_inputs, num_outputs, side, stride, padding=side // 2, bias=False)


class _Projection(nn.Module):
    """The shortcut of a block that changes the shape."""

    def __init__(self, num_inputs: int, num_outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = _conv(num_inputs, num_outputs, 1, stride)
        self.bn = nn.BatchNorm2d(num_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x))


class _Block(nn.Module):
    """What both kinds of blocks share: a projection if needed, and an activation."""

    expansion: int  # output channels per filter
    last_norm: str

    downsample: _Projection | None

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def _add_projection(self, num_inputs: int, num_outputs: int, stride: int) -> None:
        """Add the projection. Call this last: the order of optimizer states is the order of registration."""
        changes = stride != 1 or num_inputs != num_outputs
        self.downsample = _Projection(num_inputs, num_outputs, stride) if changes else None

    def _with_shortcut(self, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return self.activation(outputs + shortcut)


class BasicBlock(_Block):
    """Two 3x3 convolutions."""

    expansion = 1
    last_norm = "bn2"

    def __init__(self, num_inputs: int, num_filters: int, stride: int, activation: Activation) -> None:
        super().__init__(activation)
        self.conv1 = _conv(num_inputs, num_filters, 3, stride)
        self.bn1 = nn.BatchNorm2d(num_filters)
        self.conv2 = _conv(num_filters, num_filters, 3)
        self.bn2 = nn.BatchNorm2d(num_filters)
        self._add_projection(num_inputs, num_filters, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map to `num_filters` channels."""
        y = self.activation(self.bn1(self.conv1(x)))
        return self._with_shortcut(x, self.bn2(self.conv2(y)))


class Bottleneck(_Block):
    """A 3x3 convolution between two 1x1 convolutions; the 3x3 one has the stride."""

    expansion = 4
    last_norm = "bn3"

    def __init__(self, num_inputs: int, num_filters: int, stride: int, activation: Activation) -> None:
        super().__init__(activation)
        num_outputs = self.expansion * num_filters
        self.conv1 = _conv(num_inputs, num_filters, 1)
        self.bn1 = nn.BatchNorm2d(num_filters)
        self.conv2 = _conv(num_filters, num_filters, 3, stride)
        self.bn2 = nn.BatchNorm2d(num_filters)
        self.conv3 = _conv(num_filters, num_outputs, 1)
        self.bn3 = nn.BatchNorm2d(num_outputs)
        self._add_projection(num_inputs, num_outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map to four times `num_filters` channels."""
        y = self.activation(self.bn1(self.conv1(x)))
        y = self.activation(self.bn2(self.conv2(y)))
        return self._with_shortcut(x, self.bn3(self.conv3(y)))


class ResNet(nn.Module):
    """A stem, stages of blocks (each but the first halves the image), global mean, and a linear layer.

    Args:
      block: the kind of block.
      strided_stem: whether the stem divides the sides by four (7x7 convolution of stride 2, max pooling) or keeps
        them (3x3).
      stage_sizes: blocks per stage.
      num_filters: channels of the stem and of the first stage; they double from stage to stage.
      num_classes: number of logits.
      activation: key of ACTIVATIONS.
      bn_init_scale: initial scale of the last normalisation of every block.
    """

    def __init__(
        self,
        *,
        block: type[BasicBlock] | type[Bottleneck],
        strided_stem: bool,
        stage_sizes: Sequence[int],
        num_filters: int,
        num_classes: int,
        activation: str = "relu",
        bn_init_scale: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.strided_stem = strided_stem
        self.conv1 = _conv(3, num_filters, 7, 2) if strided_stem else _conv(3, num_filters, 3)
        self.bn1 = nn.BatchNorm2d(num_filters)
        num_channels = num_filters
        self.stages = [f"layer{number}" for number in range(1, len(stage_sizes) + 1)]
        for stage, (name, size) in enumerate(zip(self.stages, stage_sizes, strict=True)):
            blocks = []
            for number in range(size):
                stride = 2 if stage > 0 and number == 0 else 1
                blocks.append(block(num_channels, num_filters * 2**stage, stride, self.activation))
                num_channels = block.expansion * num_filters * 2**stage
            self.add_module(name, nn.Sequential(*blocks))
        self.fc = nn.Linear(num_channels, num_classes)
        self._initialise(bn_init_scale)

    def _initialise(self, bn_init_scale: float) -> None:
        self.apply(lecun_normal_)
        nn.init.normal_(self.fc.weight, std=0.01)
        for module in self.modules():
            if isinstance(module, _Block):
                nn.init.constant_(getattr(module, module.last_norm).weight, bn_init_scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, height, width) to logits (B, num_classes)."""
        x = self.activation(self.bn1(self.conv1(x)))
        if self.strided_stem:
            x = F.max_pool2d(x, 3, 2, padding=1)
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(x.mean(dim=(2, 3)))
