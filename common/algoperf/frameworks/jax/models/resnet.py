"""Residual networks for images. Modules have their published names, because submissions and checkpoints use them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax

from algoperf.frameworks.jax.layers import ACTIVATIONS

Make = Callable[..., Callable[[jax.Array], jax.Array]]
"""Makes a layer; takes the arguments of the layer's class."""


def _conv(
    features: int, kernel_size: tuple[int, int], strides: int = 1, *, padding: str | int, name: str | None = None
) -> nn.Conv:
    return nn.Conv(
        features, kernel_size, strides, padding=0 if kernel_size == (1, 1) else padding, use_bias=False, name=name
    )


class _Block(nn.Module):
    """Layers that both kinds of blocks use; `last_scale` is the initial scale of the last normalisation."""

    num_filters: int
    strides: int
    conv: Make
    norm: Make
    activation: Callable[[jax.Array], jax.Array]
    last_scale: float


def _add_shortcut(block: _Block, inputs: jax.Array, outputs: jax.Array) -> jax.Array:
    """Add the inputs, projected if the block changes their shape."""
    if inputs.shape != outputs.shape:
        inputs = block.conv(outputs.shape[-1], (1, 1), block.strides, name="Conv_proj")(inputs)
        inputs = block.norm(name="BatchNorm_proj")(inputs)
    return block.activation(outputs + inputs)


class ResNetBlock(_Block):
    """Two 3x3 convolutions."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map to `num_filters` channels."""
        y = self.conv(self.num_filters, (3, 3), self.strides)(x)
        y = self.activation(self.norm()(y))
        y = self.conv(self.num_filters, (3, 3))(y)
        y = self.norm(scale_init=nn.initializers.constant(self.last_scale))(y)
        return _add_shortcut(self, x, y)


class BottleneckResNetBlock(_Block):
    """A 3x3 convolution between two 1x1 convolutions; the 3x3 one has the stride."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map to four times `num_filters` channels."""
        y = self.conv(self.num_filters, (1, 1))(x)
        y = self.activation(self.norm()(y))
        y = self.conv(self.num_filters, (3, 3), self.strides)(y)
        y = self.activation(self.norm()(y))
        y = self.conv(4 * self.num_filters, (1, 1))(y)
        y = self.norm(scale_init=nn.initializers.constant(self.last_scale))(y)
        return _add_shortcut(self, x, y)


class ResNet(nn.Module):
    """A stem, stages of blocks (each but the first halves the image), global mean, and a linear layer.

    Attributes:
      block: the kind of block.
      strided_stem: whether the stem divides the sides by four (7x7 convolution of stride 2, max pooling) or keeps
        them (3x3).
      stage_sizes: blocks per stage.
      num_filters: channels of the stem and of the first stage; they double from stage to stage.
      activation: key of ACTIVATIONS.
      bn_init_scale: initial scale of the last normalisation of every block.
      padding: of the convolutions in the blocks. With stride 2 and even sizes, "SAME" pads on one side only, by
        (0, 1), while PyTorch pads by (1, 1). Both are as published; 1 makes the two models equal.
    """

    block: type[_Block]
    strided_stem: bool
    stage_sizes: Sequence[int]
    num_filters: int
    num_classes: int
    activation: str = "relu"
    bn_init_scale: float = 0.0
    padding: str | int = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """Images (B, height, width, 3) to logits (B, num_classes)."""
        activation = ACTIVATIONS[self.activation]
        norm = functools.partial(nn.BatchNorm, use_running_average, momentum=0.9, epsilon=1e-5)
        side, strides = (7, 2) if self.strided_stem else (3, 1)
        stem = _conv(self.num_filters, (side, side), strides, padding=side // 2, name="Conv_init")
        x = activation(norm(name="BatchNorm_init")(stem(x)))
        if self.strided_stem:
            x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for stage, size in enumerate(self.stage_sizes):
            for number in range(size):
                x = self.block(
                    num_filters=self.num_filters * 2**stage,
                    strides=2 if stage > 0 and number == 0 else 1,
                    conv=functools.partial(_conv, padding=self.padding),
                    norm=norm,
                    activation=activation,
                    last_scale=self.bn_init_scale,
                )(x)
        x = x.mean(axis=(1, 2))
        return nn.Dense(self.num_classes, kernel_init=nn.initializers.normal(0.01))(x)
