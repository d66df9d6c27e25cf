"""Deep Speech, with six bidirectional LSTMs (after Amodei et al., 2016). Modules have their published names."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.data.contracts import Batch
from algoperf.frameworks.jax.layers import Dropout
from algoperf.frameworks.jax.models.lstm import Weights, bidirectional_lstm
from algoperf.frameworks.jax.models.speech.features import features, spec_augment
from algoperf.frameworks.jax.models.speech.layers import (
    BatchNorm,
    Conv2dSubsampling,
    LayerNorm,
    dense,
    subsample,
)  # fmt: skip
from algoperf.workload.definition import WorkloadDefinition

Drop = Callable[[jax.Array], jax.Array]
Normalise = Callable[[jax.Array], jax.Array]
_GATES = ("i", "f", "g", "o")


class Subsample(nn.Module):
    """Two convolutions that halve time and frequency, and a linear layer."""

    encoder_dim: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, drop: Drop) -> tuple[jax.Array, jax.Array]:
        """Features (B, T, 80) to a quarter of the frames, of the model's width."""
        layers = (Conv2dSubsampling(self.encoder_dim, self.activation) for _ in range(2))
        x, paddings = subsample(x, paddings, *layers)
        return drop(dense(self.encoder_dim)(x)), paddings


class _Gate(nn.Module):
    """Holds the weights of one gate."""

    use_bias: bool
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, num_inputs: int, hidden: int) -> tuple[jax.Array, jax.Array | None]:
        kernel = self.param("kernel", self.kernel_init, (num_inputs, hidden))
        return kernel, self.param("bias", nn.initializers.zeros, (hidden,)) if self.use_bias else None


class _Cell(nn.Module):
    """Holds the weights of one direction, gate by gate."""

    @nn.compact
    def __call__(self, num_inputs: int, hidden: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        lecun, orthogonal = nn.initializers.lecun_normal(), nn.initializers.orthogonal()
        inputs = [_Gate(False, lecun, name=f"i{gate}")(num_inputs, hidden)[0] for gate in _GATES]
        recurrent = [_Gate(True, orthogonal, name=f"h{gate}")(hidden, hidden) for gate in _GATES]
        kernels, biases = zip(*recurrent, strict=True)
        return tuple(jnp.concatenate(parts, axis=-1) for parts in (inputs, kernels, biases))


class _Direction(nn.Module):
    @nn.compact
    def __call__(self, num_inputs: int, hidden: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        return _Cell(name="cell")(num_inputs, hidden)


class _Directions(nn.Module):
    @nn.compact
    def __call__(self, num_inputs: int, hidden: int) -> Weights:
        """The weights of both directions, forward first."""
        parts = [_Direction(name=f"LSTMSequenceEncoder_{number}")(num_inputs, hidden) for number in range(2)]
        return Weights(*(jnp.stack(pair) for pair in zip(*parts, strict=True)))


class LSTM(nn.Module):
    """A bidirectional LSTM. The published tree of its parameters has a module inside of it of the same name."""

    hidden: int

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array) -> jax.Array:
        """(B, T, inputs) to the outputs of both directions (B, T, 2 * hidden)."""
        weights = _Directions(name="LSTM")(x.shape[-1], self.hidden)
        return bidirectional_lstm(x, (paddings == 0).sum(axis=1), weights)


class BatchRNN(nn.Module):
    """Normalisation and a bidirectional LSTM, each direction with half of the width."""

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, normalise: Normalise) -> jax.Array:
        """(B, T, width) to the same shape."""
        return LSTM(x.shape[-1] // 2)(normalise(x), paddings)


class FeedForwardModule(nn.Module):
    """One of the layers behind the LSTMs."""

    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array, paddings: jax.Array, normalise: Normalise, drop: Drop) -> jax.Array:
        """Normalisation, a linear layer, its activation; padding becomes zero."""
        x = self.activation(dense(x.shape[-1])(normalise(x)))
        return drop(x * (1.0 - paddings[..., None]))


class _DeepSpeech(nn.Module):
    vocab_size: int
    encoder_dim: int
    num_lstm_layers: int
    num_ffn_layers: int
    use_tanh: bool
    enable_residual_connections: bool
    enable_decoder_layer_norm: bool
    layernorm_everywhere: bool
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
        activation = nn.tanh if self.use_tanh else nn.relu

        def drop(x: jax.Array) -> jax.Array:
            return Dropout()(x, dropout_rate, deterministic=not train)

        def normalise(x: jax.Array) -> jax.Array:
            if self.layernorm_everywhere:
                return LayerNorm()(x)
            return BatchNorm(self.batch_norm_momentum)(x, paddings, use_running_average)

        x, paddings = Subsample(self.encoder_dim, activation)(x, paddings, drop)
        for _ in range(self.num_lstm_layers):
            y = BatchRNN()(x, paddings, normalise)
            x = x + y if self.enable_residual_connections else y
        for _ in range(self.num_ffn_layers):
            y = FeedForwardModule(activation)(x, paddings, normalise, drop)
            x = x + y if self.enable_residual_connections else y
        if self.enable_decoder_layer_norm:
            x = LayerNorm()(x)
        return dense(self.vocab_size)(x), paddings


def model_inputs(batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Samples and their paddings."""
    return batch["inputs"]


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _DeepSpeech(vocab_size=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Dense_0"})
