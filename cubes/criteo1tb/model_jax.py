"""DLRM (Naumov et al., 2019), small: two networks of dense layers, and one table of embeddings for all categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.frameworks.jax.layers import Dropout
from algoperf.workload.definition import WorkloadDefinition

_BOTTOM = nn.initializers.glorot_uniform()
_TOP = nn.initializers.variance_scaling(1.0, "fan_avg", "normal")


class DLRM(nn.Module):
    """Dense features go through the bottom network, categories through the table; the top network sees both.

    Attributes:
      vocab_size: rows of the table.
      num_dense_features: numbers at the beginning of a row of inputs; the others are bucket ids.
      mlp_bottom_dims, mlp_top_dims: widths of the two networks.
      embed_dim: width of the table.
      use_layer_norm: normalise after every hidden layer, and the embeddings.
      use_resnet: hidden layers behind the first add their inputs; the top network sees vectors, not their products.
      embedding_init_multiplier: the table begins between 0 and this; 1 / sqrt(vocab_size) if None.
    """

    vocab_size: int
    num_dense_features: int
    mlp_bottom_dims: Sequence[int]
    mlp_top_dims: Sequence[int]
    embed_dim: int
    use_layer_norm: bool
    use_resnet: bool
    embedding_init_multiplier: float | None

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool, dropout_rate: float | jax.Array) -> jax.Array:
        """Features (B, 13) and, behind them, bucket ids (B, 26), all float32, to logits (B, 1)."""
        x, ids = jnp.split(inputs, [self.num_dense_features], axis=1)
        for place, width in enumerate(self.mlp_bottom_dims):
            x = self._added(x, self._normalised(nn.relu(_dense(x, width, _BOTTOM))), place)
        dense, embedded = x, self._normalised(self._look_up(ids))
        if self.use_resnet:
            features = embedded.reshape(len(ids), -1)
        else:
            features = _interactions(jnp.concatenate([dense[:, None], embedded], axis=1))
        x = jnp.concatenate([dense, features], axis=1)
        *hidden, num_outputs = self.mlp_top_dims
        for place, width in enumerate(hidden):
            outputs = self._normalised(nn.relu(_dense(x, width, _TOP)))
            if place == len(hidden) - 1:
                outputs = Dropout()(outputs, dropout_rate, deterministic=not train)
            x = self._added(x, outputs, place)
        return _dense(x, num_outputs, _TOP)

    def _look_up(self, ids: jax.Array) -> jax.Array:
        """Rows of the table (B, 26, D) for float32 ids (B, 26)."""
        scale = self.embedding_init_multiplier or self.vocab_size**-0.5
        table = self.param("embedding_table", nn.initializers.uniform(scale), (self.vocab_size, self.embed_dim))
        return table[ids.astype(jnp.int32) % self.vocab_size]

    def _normalised(self, x: jax.Array) -> jax.Array:
        return nn.LayerNorm(1e-6)(x) if self.use_layer_norm else x

    def _added(self, x: jax.Array, outputs: jax.Array, place: int) -> jax.Array:
        return x + outputs if self.use_resnet and place > 0 else outputs


def _interactions(vectors: jax.Array) -> jax.Array:
    """Products of all pairs of vectors (B, V, D), with themselves too: (B, V * (V + 1) / 2)."""
    products = jnp.einsum("bvd,bwd->bvw", vectors, vectors)
    first, second = jnp.triu_indices(vectors.shape[1])
    return products[:, first, second]


def _dense(x: jax.Array, width: int, kernel_init: Callable[..., jax.Array]) -> jax.Array:
    bias_init = nn.initializers.normal(width**-0.5)
    outputs: jax.Array = nn.Dense(width, kernel_init=kernel_init, bias_init=bias_init)(x)
    return outputs


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return DLRM(**definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    num_before = len(definition.model["mlp_bottom_dims"]) + len(definition.model["mlp_top_dims"]) - 1
    return frozenset({f"Dense_{num_before}"})
