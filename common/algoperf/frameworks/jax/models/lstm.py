"""A bidirectional LSTM (Hochreiter & Schmidhuber, 1997) over rows of different lengths: as a scan, and by cuDNN.

The scan multiplies inputs by their weights beforehand, for all frames at once. A step then has one product, for both
directions and all gates. Gates are in the order input, forget, cell, output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from algoperf.frameworks.jax.sharding import get_batch_dim_sharding

USE_CUDNN = True  # on GPUs: benchmarks/gpu_lstm.py has shown on an H200 that results and gradients are the scan's
_UNROLL = 4  # steps of the scan that are compiled together


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Weights:
    """Weights of both directions, forward first.

    Attributes:
      inputs: (2, inputs, 4 * hidden).
      recurrent: (2, hidden, 4 * hidden).
      bias: (2, 4 * hidden).
    """

    inputs: jax.Array
    recurrent: jax.Array
    bias: jax.Array


Lstm = Callable[[jax.Array, jax.Array, Weights], jax.Array]


def scan_lstm(x: jax.Array, lengths: jax.Array, weights: Weights) -> jax.Array:
    """Outputs of the forward, then the backward direction: (B, T, inputs) to (B, T, 2 * hidden).

    The backward direction begins with the last real frame of each row. What is behind a row's length is not zero, and
    does not depend on the row's real frames alone.
    """
    order = _reversal(lengths, x.shape[1])
    directions = jnp.stack([x, _reordered(x, order)])
    products = jnp.einsum("dbti,dig->tdbg", directions, weights.inputs) + weights.bias[:, None, :]
    hidden = weights.recurrent.shape[1]
    start = jnp.zeros((2, len(x), hidden), x.dtype)

    def step(carry: tuple[jax.Array, jax.Array], product: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = carry
        gates = product + jnp.einsum("dbh,dhg->dbg", h, weights.recurrent)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    _, outputs = jax.lax.scan(step, (start, start), products, unroll=_UNROLL)
    forward, backward = outputs.transpose(1, 2, 0, 3)
    return jnp.concatenate([forward, _reordered(backward, order)], axis=-1)


def _reversal(lengths: jax.Array, num_frames: int) -> jax.Array:
    """Indices (B, T) that reverse the real frames of each row in place, and what is behind them too."""
    return (num_frames - 1 - jnp.arange(num_frames) + lengths[:, None]) % num_frames


def _reordered(x: jax.Array, order: jax.Array) -> jax.Array:
    return jnp.take_along_axis(x, order[..., None], axis=1)


def cudnn_lstm(
    x: jax.Array, lengths: jax.Array, weights: Weights, precision: jax.lax.Precision = jax.lax.Precision.HIGHEST
) -> jax.Array:
    """The same by cuDNN, on an NVIDIA GPU; zeros behind a row's length. Has a gradient, but no forward mode.

    JAX refuses the default precision here.
    """
    from jax.experimental import rnn

    num_inputs, hidden = weights.inputs.shape[1], weights.recurrent.shape[1]
    start = jnp.zeros((2, len(x), hidden), x.dtype)
    outputs, _, _ = rnn.lstm(
        x, start, start, packed(weights), jnp.maximum(lengths, 1).astype(jnp.int32),
        num_inputs, hidden, 1, 0.0, True, precision,
    )  # fmt: skip
    return outputs


def packed(weights: Weights) -> jax.Array:
    """The weights in cuDNN's layout, (count,): matrices of each direction, transposed, then its two biases."""
    matrices = [matrix.T.ravel() for pair in zip(weights.inputs, weights.recurrent, strict=True) for matrix in pair]
    biases = [part for bias in weights.bias for part in (bias, jnp.zeros_like(bias))]
    return jnp.concatenate(matrices + biases)


def on_every_device(lstm: Lstm, x: jax.Array, lengths: jax.Array, weights: Weights) -> jax.Array:
    """Run an LSTM that XLA cannot split: each device gets its own rows."""
    mesh = get_batch_dim_sharding().mesh
    is_split = mesh.size > 1 and len(x) % mesh.size == 0 and not jax.sharding.get_abstract_mesh().manual_axes
    if not is_split:
        return lstm(x, lengths, weights)
    rows = PartitionSpec("batch")
    split = jax.shard_map(lstm, mesh=mesh, in_specs=(rows, rows, PartitionSpec()), out_specs=rows, check_vma=False)
    outputs: jax.Array = split(x, lengths, weights)
    return outputs


def bidirectional_lstm(x: jax.Array, lengths: jax.Array, weights: Weights) -> jax.Array:
    """The LSTM of the models: see `scan_lstm`."""
    if USE_CUDNN and jax.default_backend() == "gpu":
        return on_every_device(cudnn_lstm, x, lengths, weights)
    return scan_lstm(x, lengths, weights)
