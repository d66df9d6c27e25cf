"""Is the LSTM of cuDNN the same as the scan, gradients included, and how much faster? Needs JAX on an NVIDIA GPU.

Sizes are those of librispeech_deepspeech on one of 8 GPUs. Both compute in full float32 for the comparison, and as
models do for the times. The exit code is 1 if results or gradients differ. It runs from the tree in about two minutes:

    PYTHONPATH=common python benchmarks/gpu_lstm.py
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from algoperf.frameworks.jax.models.lstm import Weights, bidirectional_lstm

BATCH, FRAMES, INPUTS, HIDDEN = 32, 500, 512, 256
TOLERANCES = {"outputs": 1e-5, "gradients": 1e-4}  # of the difference's norm, relative
Arguments = tuple[Weights, jax.Array]
Lstm = Callable[[jax.Array, jax.Array, Weights], jax.Array]


def cudnn_lstm(
    x: jax.Array, lengths: jax.Array, weights: Weights, precision: jax.lax.Precision = jax.lax.Precision.HIGHEST
) -> jax.Array:
    """The same by cuDNN, on an NVIDIA GPU; zeros behind a row's length. Has a gradient, but no forward mode.

    JAX refuses the default precision here.
    """
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


def example(scale: float) -> tuple[Weights, jax.Array, jax.Array, jax.Array]:
    """Weights, inputs, lengths (a full row and one frame among them), and what outputs are multiplied by."""
    rng = np.random.default_rng(0)
    shapes = (2, INPUTS, 4 * HIDDEN), (2, HIDDEN, 4 * HIDDEN), (2, 4 * HIDDEN)
    weights = Weights(*(jnp.asarray(rng.normal(size=shape, scale=scale), jnp.float32) for shape in shapes))
    x, factor = (jnp.asarray(rng.normal(size=(BATCH, FRAMES, n)), jnp.float32) for n in (INPUTS, 2 * HIDDEN))
    lengths = rng.integers(1, FRAMES, BATCH)
    lengths[:2] = FRAMES, 1
    return weights, x, jnp.asarray(lengths, jnp.int32), factor


def loss(lstm: Lstm, arguments: Arguments, lengths: jax.Array, factor: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A weighted sum over real frames, and the outputs without what is behind them."""
    weights, x = arguments
    real = (jnp.arange(FRAMES) < lengths[:, None])[..., None]
    outputs = jnp.where(real, lstm(x, lengths, weights), 0.0)
    return (outputs * factor).sum() / FRAMES, outputs


def differences(scale: float) -> dict[str, float]:
    """Relative differences of outputs, and of each gradient, in full precision."""
    weights, x, lengths, factor = example(scale)
    found = []
    for lstm in (bidirectional_lstm, partial(cudnn_lstm, precision=jax.lax.Precision.HIGHEST)):
        with jax.default_matmul_precision("highest"):
            compiled = jax.jit(jax.value_and_grad(partial(loss, lstm), has_aux=True))
            (_, outputs), (of_weights, of_inputs) = compiled((weights, x), lengths, factor)
        found.append({"outputs": outputs, "gradient of inputs": of_inputs, **vars_of(of_weights)})
    expected, other = found
    return {name: relative(other[name], expected[name]) for name in expected}


def vars_of(weights: Weights) -> dict[str, jax.Array]:
    """Gradients of the weights by name, of both directions."""
    names = ("inputs", "recurrent", "bias")
    return {f"gradient of {name}, {way}": getattr(weights, name)[way] for name in names for way in range(2)}


def relative(found: jax.Array, expected: jax.Array) -> float:
    """Norm of the difference over the norm of what was expected."""
    return float(jnp.linalg.norm((found - expected).ravel()) / jnp.linalg.norm(expected.ravel()))


def milliseconds(lstm: Lstm, repetitions: int) -> dict[str, float]:
    """Seconds to compile a pass with its gradient, and the median time of one."""
    weights, x, lengths, factor = example(0.05)
    step = jax.jit(jax.grad(partial(loss, lstm), has_aux=True))
    begun = time.perf_counter()
    jax.block_until_ready(step((weights, x), lengths, factor))
    first = time.perf_counter() - begun
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        jax.block_until_ready(step((weights, x), lengths, factor))
        times.append(time.perf_counter() - begun)
    return {"first s": round(first, 1), "ms": round(1e3 * float(np.median(times)), 2)}


def main() -> int:
    """Compare, measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    if jax.default_backend() != "gpu":
        print(f"cuDNN needs an NVIDIA GPU; JAX found {jax.default_backend()}.")
        return 1
    results: dict[str, Any] = {"device": str(jax.devices()[0].device_kind), "differences": {}, "times": {}}
    wrong = []
    for scale in (0.05, 0.3):  # gates in the middle of their range, and saturated ones
        found = differences(scale)
        results["differences"][scale] = found
        for name, value in found.items():
            limit = TOLERANCES["outputs" if name == "outputs" else "gradients"]
            print(f"weights {scale:g}: {name} differs by {value:.1e} (allowed {limit:.0e})", flush=True)
            wrong += [name] if not value < limit else []
    for name, lstm in (("scan", bidirectional_lstm), ("cuDNN", cudnn_lstm)):
        results["times"][name] = milliseconds(lstm, options.repetitions)
        print(f"{name}, forward and backward: {results['times'][name]}", flush=True)
    results["verdict"] = f"differs: {', '.join(wrong)}" if wrong else "the same"
    print(f"cuDNN and scan: {results['verdict']}")
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
