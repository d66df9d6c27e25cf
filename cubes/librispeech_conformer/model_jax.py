"""A Conformer (Gulati et al., 2020) for speech recognition. Modules have their published names."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.data.contracts import Batch
from algoperf.frameworks.jax.layers import Dropout
from algoperf.frameworks.jax.models.speech.features import features, spec_augment
from algoperf.frameworks.jax.models.speech.layers import (
    XAVIER,
    ZEROS,
    BatchNorm,
    Conv2dSubsampling,
    LayerNorm,
    dense,
    subsample,
)  # fmt: skip
from algoperf.workload.definition import WorkloadDefinition

from .position import KERNEL_SIZE, QUERY_SCALE, sinusoids

Layer = Callable[[jax.Array], jax.Array]
Drop = Layer


class Subsample(nn.Module):
    """Two convolutions that halve time and frequency, a linear layer and positions."""

    encoder_dim: int

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, drop: Drop) -> tuple[jax.Array, jax.Array]:
        """Features (B, T, 80) to a quarter of the frames, of the model's width, with positions added."""
        x, paddings = subsample(x, paddings, *(Conv2dSubsampling(self.encoder_dim) for _ in range(2)))
        x = dense(self.encoder_dim)(x)
        return drop(x + jnp.asarray(sinusoids(x.shape[1], self.encoder_dim), x.dtype)), paddings


class FeedForwardModule(nn.Module):
    """Two linear layers with an activation between them."""

    expansion_factor: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array, real: jax.Array, drop: Drop) -> jax.Array:
        """As published, JAX has dropout after the activation too."""
        width = x.shape[-1]
        x = drop(self.activation(dense(width * self.expansion_factor)(LayerNorm()(x)))) * real
        return drop(dense(width)(x) * real)


class QueryScaler(nn.Module):
    """A learned factor for every dimension of queries."""

    @nn.compact
    def __call__(self, query: jax.Array) -> jax.Array:
        """Scale the dimensions of queries (B, T, heads, D), alike in all heads."""
        scale = self.param("scale", ZEROS, query.shape[-1:])
        return query * (QUERY_SCALE * jax.nn.softplus(scale))


class MultiHeadDotProductAttention(nn.Module):
    """Self-attention with scaled queries."""

    num_heads: int
    temperature: float

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array) -> jax.Array:
        """Self-attention of (B, T, width) to the frames that are not padding.

        As published, the "temperature" multiplies what attention returns.
        """
        width = x.shape[-1]
        shape = (self.num_heads, width // self.num_heads)
        query, key, value = (
            nn.DenseGeneral(shape, kernel_init=XAVIER, name=name)(x) for name in ("query", "key", "value")
        )
        mask = (paddings == 0)[:, None, None, :]
        x = jax.nn.dot_product_attention(QueryScaler()(query), key, value, mask=mask) * self.temperature
        return nn.DenseGeneral(width, axis=(-2, -1), kernel_init=XAVIER, name="out")(x)


class MultiHeadedSelfAttention(nn.Module):
    """Attention with the layers around it."""

    num_heads: int
    temperature: float

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, drop: Drop) -> jax.Array:
        """Normalise (B, T, width) and attend."""
        return drop(MultiHeadDotProductAttention(self.num_heads, self.temperature)(LayerNorm()(x), paddings))


class ConvolutionBlock(nn.Module):
    """The part of a block that mixes neighbouring frames."""

    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array, real: jax.Array, drop: Drop, normalise: Layer) -> jax.Array:
        """A gate, a convolution over time that keeps channels apart, batch normalisation, and a linear layer."""
        width = x.shape[-1]
        x = LayerNorm()(x)
        value, gate = dense(width)(x), dense(width)(x)
        x = value * nn.sigmoid(gate) * real
        x = nn.Conv(
            width, (KERNEL_SIZE,), padding="SAME", feature_group_count=width, use_bias=False, kernel_init=XAVIER
        )(x)
        x = self.activation(normalise(x))
        return drop(dense(width)(x))


class ConformerBlock(nn.Module):
    """One of the blocks of the encoder."""

    num_heads: int
    expansion_factor: int
    attention_temperature: float
    activation: Callable[[jax.Array], jax.Array]
    use_post_layer_norm: bool

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, drop: Drop, normalise: Layer) -> jax.Array:
        """Half a feed-forward module, attention, convolution, the other half; each with a residual connection."""
        real = 1.0 - paddings[..., None]
        x = x + 0.5 * FeedForwardModule(self.expansion_factor, self.activation)(x, real, drop)
        x = x + MultiHeadedSelfAttention(self.num_heads, self.attention_temperature)(x, paddings, drop)
        x = x + ConvolutionBlock(self.activation)(x, real, drop, normalise)
        x = x + 0.5 * FeedForwardModule(self.expansion_factor, self.activation)(x, real, drop)
        return LayerNorm()(x) if self.use_post_layer_norm else x


class _Conformer(nn.Module):
    vocab_size: int
    encoder_dim: int
    num_attention_heads: int
    num_encoder_layers: int
    feed_forward_expansion_factor: int
    attention_temperature: float
    use_gelu: bool
    use_post_layer_norm: bool
    batch_norm_momentum: float
    use_specaug: bool
    time_mask_count: int
    freq_mask_count: int

    @nn.compact
    def __call__(
        self,
        audio: jax.Array,
        audio_paddings: jax.Array,
        train: bool,
        use_running_average: bool,
        dropout_rate: float | jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """Samples (B, N) and their paddings to logits (B, T, vocab_size) and their paddings."""
        x, paddings = features(audio, audio_paddings)
        if train and self.use_specaug:
            counts = {"time_mask_count": self.time_mask_count, "freq_mask_count": self.freq_mask_count}
            x = spec_augment(x, paddings, self.make_rng("dropout"), **counts)

        def drop(x: jax.Array) -> jax.Array:
            return Dropout()(x, dropout_rate, deterministic=not train)

        x, paddings = Subsample(self.encoder_dim)(x, paddings, drop)

        def normalise(x: jax.Array) -> jax.Array:
            return BatchNorm(self.batch_norm_momentum)(x, paddings, use_running_average)

        for _ in range(self.num_encoder_layers):
            block = ConformerBlock(
                self.num_attention_heads,
                self.feed_forward_expansion_factor,
                self.attention_temperature,
                nn.gelu if self.use_gelu else nn.silu,
                self.use_post_layer_norm,
            )
            x = block(x, paddings, drop, normalise)
        return dense(self.vocab_size)(LayerNorm()(x)), paddings


def model_inputs(batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Samples and their paddings."""
    return batch["inputs"]


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Conformer(vocab_size=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Dense_0"})
