"""Layers of the speech models. They have their published names, which number the parameters of the models.

Scales of the normalisations are stored as differences from 1. Paddings (B, T) are 1 behind the end of a row, else 0.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

XAVIER = nn.initializers.xavier_uniform()
ZEROS = nn.initializers.zeros
_BATCH_NORM_EPSILON, _LAYER_NORM_EPSILON = 1e-3, 1e-6


def dense(width: int) -> nn.Dense:
    """A linear layer with the published initialisation."""
    return nn.Dense(width, kernel_init=XAVIER)


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise (..., width)."""
        scale, bias = (self.param(name, ZEROS, x.shape[-1:]) for name in ("scale", "bias"))
        mean = x.mean(axis=-1, keepdims=True)
        variance = jnp.square(x - mean).mean(axis=-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + _LAYER_NORM_EPSILON) * (1 + scale) + bias


class BatchNorm(nn.Module):
    """Batch normalisation over the real frames of all devices; both kinds of variance are biased.

    Attributes:
      momentum: share of the running statistics that a step keeps.
    """

    momentum: float

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, use_running_average: bool) -> jax.Array:
        """Normalise (B, T, width), and set padding to zero. Batch statistics update the running ones."""
        width = x.shape[-1:]
        scale, bias = (self.param(name, ZEROS, width) for name in ("scale", "bias"))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, width)
        running_variance = self.variable("batch_stats", "var", jnp.ones, width)
        real = 1.0 - paddings[..., None]
        if use_running_average:
            mean, variance = running_mean.value, running_variance.value
        else:
            count = jnp.maximum(real.sum(), 1.0)
            mean = (x * real).sum(axis=(0, 1)) / count
            variance = (jnp.square(x - mean) * real).sum(axis=(0, 1)) / count
            for running, new in ((running_mean, mean), (running_variance, variance)):
                running.value = self.momentum * running.value + (1 - self.momentum) * new
        return ((x - mean) * (1 + scale) * jax.lax.rsqrt(variance + _BATCH_NORM_EPSILON) + bias) * real


class Conv2dSubsampling(nn.Module):
    """A 3x3 convolution with stride 2 in time and frequency.

    Attributes:
      num_outputs: number of filters.
      activation: applied to its output.
    """

    num_outputs: int
    activation: Callable[[jax.Array], jax.Array] = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(B, T, F, C) to half of T and F, rounded up; padding becomes zero."""
        kernel = self.param("kernel", XAVIER, (3, 3, x.shape[-1], self.num_outputs))
        bias = self.param("bias", ZEROS, (self.num_outputs,))
        x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        paddings = paddings[:, ::2]
        return self.activation(x + bias) * (1.0 - paddings[:, :, None, None]), paddings


def subsample(
    x: jax.Array, paddings: jax.Array, first: Conv2dSubsampling, second: Conv2dSubsampling
) -> tuple[jax.Array, jax.Array]:
    """Features (B, T, 80) to a quarter of the frames with all channels of all bins: (B, T / 4, 20 * channels)."""
    x, paddings = second(*first(x[..., None], paddings))
    return x.reshape(*x.shape[:2], -1), paddings
