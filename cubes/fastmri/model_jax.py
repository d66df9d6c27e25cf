"""A U-Net (Ronneberger et al., 2015) that turns a picture into a picture, with instance or layer normalisation."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.frameworks.jax.layers import Dropout
from algoperf.workload.definition import WorkloadDefinition

_LECUN = nn.initializers.lecun_normal()


def _activate(x: jax.Array, use_tanh: bool) -> jax.Array:
    return nn.tanh(x) if use_tanh else nn.leaky_relu(x, 0.2)


def _instance_norm() -> nn.Module:
    return nn.InstanceNorm(epsilon=1e-5, use_bias=False, use_scale=False)


class ConvBlock(nn.Module):
    """Twice: convolution 3x3, normalisation, activation, dropout of whole channels."""

    num_channels: int
    use_tanh: bool
    use_layer_norm: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float | jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, H, W, num_channels)."""
        for _ in range(2):
            x = nn.Conv(self.num_channels, (3, 3), padding=1, use_bias=False, kernel_init=_LECUN)(x)
            x = nn.LayerNorm(1e-6, reduction_axes=(1, 2, 3))(x) if self.use_layer_norm else _instance_norm()(x)
            x = _activate(x, self.use_tanh)
            x = Dropout(broadcast_dims=(1, 2))(x, dropout_rate, deterministic=not train)
        return x


class TransposeConvBlock(nn.Module):
    """Doubles height and width: transposed convolution, instance normalisation, activation."""

    num_channels: int
    use_tanh: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, 2 H, 2 W, num_channels)."""
        x = nn.ConvTranspose(self.num_channels, (2, 2), strides=(2, 2), use_bias=False, kernel_init=_LECUN)(x)
        return _activate(_instance_norm()(x), self.use_tanh)


class UNet(nn.Module):
    """Halves the picture several times, and doubles it as often, with what was there before beside it.

    Attributes:
      num_channels: after the first block; every halving doubles them.
      num_pool_layers: how often the picture is halved.
      use_tanh: tanh instead of leaky ReLU (0.2).
      use_layer_norm: layer instead of instance normalisation in `ConvBlock`s.
    """

    num_channels: int
    num_pool_layers: int
    use_tanh: bool
    use_layer_norm: bool

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool, dropout_rate: float | jax.Array) -> jax.Array:
        """Pictures (N, H, W) to pictures (N, H, W)."""
        x, skipped = inputs[..., None], []
        widths = [self.num_channels << level for level in range(self.num_pool_layers + 1)]
        for width in widths[:-1]:
            x = ConvBlock(width, self.use_tanh, self.use_layer_norm)(x, train, dropout_rate)
            skipped.append(x)
            x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = ConvBlock(widths[-1], self.use_tanh, self.use_layer_norm)(x, train, dropout_rate)
        for width in reversed(widths[:-1]):
            skip, x = skipped.pop(), TransposeConvBlock(width, self.use_tanh)(x)
            missing = [(0, skip.shape[axis] - x.shape[axis]) for axis in (1, 2)]  # halving drops an odd row or column
            x = jnp.pad(x, ((0, 0), *missing, (0, 0)), mode="reflect")
            x = jnp.concatenate([x, skip], axis=-1)
            x = ConvBlock(width, self.use_tanh, self.use_layer_norm)(x, train, dropout_rate)
        return nn.Conv(1, (1, 1), kernel_init=_LECUN)(x)[..., 0]


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return UNet(**definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Conv_0"})
