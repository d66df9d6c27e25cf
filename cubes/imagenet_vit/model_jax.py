"""ViT-S/16: a transformer over image patches. Modules have their published names."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.frameworks.jax.layers import Dropout
from algoperf.workload.definition import WorkloadDefinition

from .position import sincos_2d


def _attention(num_heads: int, name: str) -> nn.MultiHeadDotProductAttention:
    """As published, without dropout of attention probabilities."""
    xavier = nn.initializers.xavier_uniform()
    return nn.MultiHeadDotProductAttention(num_heads, kernel_init=xavier, deterministic=True, name=name)


class _Mlp(nn.Module):
    mlp_dim: int
    use_glu: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float) -> jax.Array:
        """GLU, as published: the gate is a linear function of the hidden layer after its activation."""
        kinds = {"kernel_init": nn.initializers.xavier_uniform(), "bias_init": nn.initializers.normal(1e-6)}
        hidden = nn.gelu(nn.Dense(self.mlp_dim, **kinds)(x))
        if self.use_glu:
            hidden = hidden * nn.Dense(self.mlp_dim, **kinds)(hidden)
        hidden = Dropout()(hidden, dropout_rate, deterministic=not train)
        return nn.Dense(x.shape[-1], **kinds)(hidden)


class _Block(nn.Module):
    mlp_dim: int
    num_heads: int
    use_glu: bool
    use_post_layer_norm: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float) -> jax.Array:
        """Attention, then MLP, each with a residual connection. Layer norm is before each, or after each sum."""
        attention = _attention(self.num_heads, name="MultiHeadDotProductAttention_1")
        mlp = _Mlp(self.mlp_dim, self.use_glu, name="MlpBlock_3")
        norms = nn.LayerNorm(name="LayerNorm_0"), nn.LayerNorm(name="LayerNorm_2")
        parts = attention, lambda y: mlp(y, train, dropout_rate)
        for norm, part in zip(norms, parts, strict=True):
            y = part(x if self.use_post_layer_norm else norm(x))
            x = x + Dropout()(y, dropout_rate, deterministic=not train)
            x = norm(x) if self.use_post_layer_norm else x
        return x


class _Encoder(nn.Module):
    depth: int
    mlp_dim: int
    num_heads: int
    use_glu: bool
    use_post_layer_norm: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float) -> jax.Array:
        """Tokens (B, N, width) to tokens."""
        for number in range(self.depth):
            block = _Block(
                self.mlp_dim,
                self.num_heads,
                self.use_glu,
                self.use_post_layer_norm,
                name=f"encoderblock_{number}",
            )
            x = block(x, train, dropout_rate)
        return x if self.use_post_layer_norm else nn.LayerNorm(name="encoder_layernorm")(x)


class _MapHead(nn.Module):
    mlp_dim: int
    num_heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool tokens (B, N, width) to (B, width) by attention with a learned probe. As published, no dropout."""
        probe = self.param("probe", nn.initializers.xavier_uniform(), (1, 1, x.shape[-1]))
        probe = jnp.broadcast_to(probe, (len(x), *probe.shape[1:]))
        x = _attention(self.num_heads, name="MultiHeadDotProductAttention_0")(probe, x)
        y = nn.LayerNorm(name="LayerNorm_0")(x)
        x = x + _Mlp(self.mlp_dim, name="MlpBlock_0")(y, train=False, dropout_rate=0.0)
        return x[:, 0]


class _Model(nn.Module):
    patch_size: int
    width: int
    depth: int
    mlp_dim: int
    num_heads: int
    num_classes: int
    use_glu: bool = False
    use_post_layer_norm: bool = False
    use_map: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float) -> jax.Array:
        """Images (B, height, width, 3) to logits (B, num_classes)."""
        patch = (self.patch_size, self.patch_size)
        x = nn.Conv(self.width, patch, strides=patch, padding="VALID", name="conv_patch_extract")(x)
        positions = sincos_2d(x.shape[1], x.shape[2], self.width)
        x = x.reshape((len(x), -1, self.width)) + jnp.asarray(positions, x.dtype)
        x = Dropout()(x, dropout_rate, deterministic=not train)
        encoder = _Encoder(
            self.depth, self.mlp_dim, self.num_heads, self.use_glu, self.use_post_layer_norm, name="Transformer"
        )
        x = encoder(x, train, dropout_rate)
        x = _MapHead(self.mlp_dim, self.num_heads, name="MAPHead_0")(x) if self.use_map else x.mean(axis=1)
        x = jnp.tanh(nn.Dense(self.width, name="pre_logits")(x))
        return nn.Dense(self.num_classes, kernel_init=nn.initializers.zeros, name="head")(x)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"head"})
