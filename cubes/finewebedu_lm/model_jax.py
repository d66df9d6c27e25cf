"""A decoder-only transformer with rotary positions, normalised queries and keys, and tied embeddings.

Modules have their published names. Axes: B sequences, L positions, H heads, V tokens.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.workload.definition import WorkloadDefinition

from .position import rotary_table

_EPSILON = 1e-6
_STD = 0.02
_NORMAL = nn.initializers.normal(_STD)


class RMSNorm(nn.Module):
    """Divides by the root of the mean square (Zhang & Sennrich, 2019) and multiplies by a learned scale."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise the last axis."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + _EPSILON) * scale


def _rotated(x: jax.Array, table: jax.Array) -> jax.Array:
    """Turn pairs of adjacent components of (B, L, H, D) by cosines and sines (L, D / 2, 2)."""
    cos, sin = table[:, None, :, 0], table[:, None, :, 1]
    even, odd = x[..., ::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1).reshape(x.shape)


def _normalised(x: jax.Array) -> jax.Array:
    """Vectors of length 1 along the last axis; those of length 0 stay."""
    # The gradient of a norm is undefined at 0, where all tokens of a dead layer may be.
    squares = jnp.sum(x * x, axis=-1, keepdims=True)
    norm = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
    return x / (norm + _EPSILON)


class CausalAttn(nn.Module):
    """Attention whose queries and keys have length 1 (Henry et al., 2020), times a learned scalar."""

    num_heads: int
    max_length: int
    output_std: float

    @nn.compact
    def __call__(self, x: jax.Array, table: jax.Array) -> jax.Array:
        """(B, L, width) to (B, L, width); `table` has the positions (L, D / 2, 2)."""
        shape = (self.num_heads, x.shape[-1] // self.num_heads)
        query, key, value = (
            nn.DenseGeneral(shape, use_bias=False, kernel_init=_NORMAL, name=name)(x)
            for name in ("query", "key", "value")
        )
        initial = nn.initializers.constant(math.log2(self.max_length**2 - self.max_length))
        scale = self.param("attn_scale", initial, ())
        query = scale * _normalised(_rotated(query, table))
        key = _normalised(_rotated(key, table))
        attended = jax.nn.dot_product_attention(query, key, value, scale=1.0, is_causal=True)
        output = nn.Dense(
            x.shape[-1], use_bias=False, kernel_init=nn.initializers.normal(self.output_std), name="attn_out_proj"
        )
        return output(attended.reshape(x.shape))


class Mlp(nn.Module):
    """A gated hidden layer: one half, times the sigmoid of the other."""

    mlp_dim: int
    output_std: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, L, width) to (B, L, width)."""
        hidden, gate = jnp.split(nn.Dense(2 * self.mlp_dim, use_bias=False, kernel_init=_NORMAL)(x), 2, axis=-1)
        output_init = nn.initializers.normal(self.output_std)
        return nn.Dense(x.shape[-1], use_bias=False, kernel_init=output_init)(hidden * nn.sigmoid(gate))


class _Block(nn.Module):
    num_heads: int
    mlp_dim: int
    max_length: int
    output_std: float

    @nn.compact
    def __call__(self, x: jax.Array, table: jax.Array) -> jax.Array:
        """Attention, then MLP, each with a residual connection around it and its norm."""
        x = x + CausalAttn(self.num_heads, self.max_length, self.output_std)(RMSNorm()(x), table)
        return x + Mlp(self.mlp_dim, self.output_std)(RMSNorm()(x))


class _Model(nn.Module):
    num_classes: int
    max_length: int
    width: int
    depth: int
    mlp_dim: int
    num_heads: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Tokens, integers (B, L), to logits (B, L, V) of the next ones."""
        embed = nn.Embed(self.num_classes, self.width, embedding_init=_NORMAL, name="embed")
        x = embed(tokens)
        table = jnp.asarray(rotary_table(tokens.shape[1], self.width // self.num_heads), x.dtype)
        output_std = _STD / math.sqrt(2 * self.depth)  # 2 sums per block
        # Of a block, only products with matrices are kept for the gradient: weights of attention and gates take much.
        Block = nn.remat(_Block, policy=jax.checkpoint_policies.dots_with_no_batch_dims_saveable)  # noqa: N806
        for number in range(self.depth):
            block = Block(self.num_heads, self.mlp_dim, self.max_length, output_std, name=f"blocks_{number}")
            x = block(x, table)
        return embed.attend(RMSNorm(name="out_ln")(x))


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer is the embedding."""
    del definition
    return frozenset({"embed"})
