"""A U-Net (Ronneberger et al., 2015) that turns a picture into a picture, with instance or layer normalisation."""

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.frameworks.torch.layers import lecun_normal_
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"model", "loss"})


class _ChannelDropout(nn.Module):
    """Dropout of whole channels whose rate is an argument of the call."""

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        return F.dropout2d(x, dropout_rate, self.training)


def _activation(use_tanh: bool) -> nn.Module:
    return nn.Tanh() if use_tanh else nn.LeakyReLU(0.2)


class ConvBlock(nn.Module):
    """Twice: convolution 3x3, normalisation, activation, dropout of whole channels.

    The published names of parameters are places in `conv_layers`, so layers without parameters are modules too.
    """

    def __init__(self, num_inputs: int, num_channels: int, use_tanh: bool, use_layer_norm: bool) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for before in (num_inputs, num_channels):
            norm = nn.GroupNorm(1, num_channels, eps=1e-6) if use_layer_norm else nn.InstanceNorm2d(num_channels)
            conv = nn.Conv2d(before, num_channels, 3, padding=1, bias=False)
            self.conv_layers.extend([conv, norm, _activation(use_tanh), _ChannelDropout()])

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """(N, C, H, W) to (N, num_channels, H, W)."""
        for layer in self.conv_layers:
            x = layer(x, dropout_rate) if isinstance(layer, _ChannelDropout) else layer(x)
        return x


class TransposeConvBlock(nn.Module):
    """Doubles height and width: transposed convolution, instance normalisation, activation."""

    def __init__(self, num_inputs: int, num_channels: int, use_tanh: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(num_inputs, num_channels, 2, stride=2, bias=False),
            nn.InstanceNorm2d(num_channels),
            _activation(use_tanh),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, num_channels, 2 H, 2 W)."""
        doubled: torch.Tensor = self.layers(x)
        return doubled


class UNet(nn.Module):
    """Halves the picture several times, and doubles it as often, with what was there before beside it.

    Args:
      num_channels: after the first block; every halving doubles them.
      num_pool_layers: how often the picture is halved.
      use_tanh: tanh instead of leaky ReLU (0.2).
      use_layer_norm: layer instead of instance normalisation in `ConvBlock`s.
    """

    def __init__(self, *, num_channels: int, num_pool_layers: int, use_tanh: bool, use_layer_norm: bool) -> None:
        super().__init__()
        widths = [num_channels << level for level in range(num_pool_layers + 1)]
        halved, doubled = zip([1, *widths], widths, strict=False), list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        *down, bottleneck = (ConvBlock(*channels, use_tanh, use_layer_norm) for channels in halved)
        up = [ConvBlock(*channels, use_tanh, use_layer_norm) for channels in doubled]
        self.down_sample_layers = nn.ModuleList(down)
        self.conv = bottleneck
        # As published, the output layer is part of the last block's place.
        self.up_conv = nn.ModuleList([*up[:-1], nn.Sequential(up[-1], nn.Conv2d(num_channels, 1, 1))])
        self.up_transpose_conv = nn.ModuleList(TransposeConvBlock(*channels, use_tanh) for channels in doubled)
        self.apply(lecun_normal_)

    def forward(self, inputs: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Pictures (N, H, W) to pictures (N, H, W)."""
        x, skipped = inputs[:, None], []
        for block in self.down_sample_layers:
            x = block(x, dropout_rate)
            skipped.append(x)
            x = F.avg_pool2d(x, 2)
        x = self.conv(x, dropout_rate)
        *blocks, (last, output) = self.up_conv
        for double, block in zip(self.up_transpose_conv, [*blocks, last], strict=True):
            skip, x = skipped.pop(), double(x)
            rows, columns = (skip.shape[axis] - x.shape[axis] for axis in (2, 3))
            if rows or columns:  # halving drops an odd row or column
                x = F.pad(x, (0, columns, 0, rows), "reflect")
            x = block(torch.cat((x, skip), dim=1), dropout_rate)
        pictures: torch.Tensor = output(x)[:, 0]
        return pictures


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return UNet(**definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    last = definition.model["num_pool_layers"] - 1
    return frozenset({f"up_conv.{last}.1.weight", f"up_conv.{last}.1.bias"})
