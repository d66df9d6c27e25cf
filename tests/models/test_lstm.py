"""The bidirectional LSTM of JAX: against PyTorch's, against a plain loop, and in cuDNN's layout."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

from algoperf.frameworks.jax.models.lstm import Weights, packed, scan_lstm

BATCH, FRAMES, INPUTS, HIDDEN = 4, 7, 6, 5
LENGTHS = np.array([7, 1, 4, 6], np.int32)


@pytest.fixture(scope="module")
def weights() -> Weights:
    rng = np.random.default_rng(0)
    shapes = (2, INPUTS, 4 * HIDDEN), (2, HIDDEN, 4 * HIDDEN), (2, 4 * HIDDEN)
    return Weights(*(jnp.asarray(rng.normal(size=shape, scale=0.5), jnp.float32) for shape in shapes))


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BATCH, FRAMES, INPUTS)).astype(np.float32)


def real(values) -> np.ndarray:
    """Without what is behind the ends of rows."""
    return np.asarray(values) * (np.arange(FRAMES) < LENGTHS[:, np.newaxis])[..., np.newaxis]


def test_as_in_torch(weights, x):
    """Outputs, and gradients of weights and inputs, over rows of different lengths."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    lstm = torch.nn.LSTM(INPUTS, HIDDEN, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for direction, suffix in enumerate(("", "_reverse")):
            for name, values in (("weight_ih", weights.inputs), ("weight_hh", weights.recurrent)):
                getattr(lstm, f"{name}_l0{suffix}").copy_(torch.from_numpy(np.array(values[direction].T)))
            getattr(lstm, f"bias_ih_l0{suffix}").copy_(torch.from_numpy(np.array(weights.bias[direction])))
            getattr(lstm, f"bias_hh_l0{suffix}").zero_()
    inputs = torch.from_numpy(x).requires_grad_()
    rows = pack_padded_sequence(inputs, torch.from_numpy(LENGTHS).long(), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(lstm(rows)[0], batch_first=True, total_length=FRAMES)
    factor = np.random.default_rng(2).normal(size=expected.shape).astype(np.float32)
    (expected * torch.from_numpy(factor)).sum().backward()

    def total(weights, x):
        outputs = scan_lstm(x, LENGTHS, weights)
        return (outputs * real(factor)).sum(), outputs

    (_, found), (of_weights, of_inputs) = jax.value_and_grad(total, (0, 1), has_aux=True)(weights, x)
    np.testing.assert_allclose(real(found), expected.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(of_inputs, inputs.grad.numpy(), rtol=1e-4, atol=1e-5)
    for direction, suffix in enumerate(("", "_reverse")):
        for name, values in (("weight_ih", of_weights.inputs), ("weight_hh", of_weights.recurrent)):
            gradient = getattr(lstm, f"{name}_l0{suffix}").grad.numpy()
            np.testing.assert_allclose(values[direction].T, gradient, rtol=1e-4, atol=1e-5)
        gradient = getattr(lstm, f"bias_ih_l0{suffix}").grad.numpy()
        np.testing.assert_allclose(of_weights.bias[direction], gradient, rtol=1e-4, atol=1e-5)


def test_layout_of_cudnn(weights, x):
    """JAX's own unpacking gives back every matrix, and its reference of cuDNN's results gives those of the scan."""
    flat = packed(weights)
    assert flat.shape == (rnn.get_num_params_in_lstm(INPUTS, HIDDEN, 1, bidirectional=True),)
    parts = rnn.unpack_lstm_weights(flat, INPUTS, HIDDEN, 1, bidirectional=True)
    for direction in range(2):
        np.testing.assert_array_equal(parts[0][direction], weights.inputs[direction].T)
        np.testing.assert_array_equal(parts[1][direction], weights.recurrent[direction].T)
        np.testing.assert_array_equal(parts[2][direction], weights.bias[direction])
        assert not parts[3][direction].any()
    start = jnp.zeros((2, BATCH, HIDDEN))
    found, _, _ = rnn.lstm_ref(x, start, start, *parts, LENGTHS, INPUTS, HIDDEN, 1, 0.0, True)
    np.testing.assert_allclose(real(found), real(scan_lstm(x, LENGTHS, weights)), atol=1e-6)


TWO_DEVICES = """
import sys
import jax, jax.numpy as jnp, numpy as np
from algoperf.frameworks.jax.models.lstm import Weights, on_every_device, scan_lstm
from algoperf.jax_sharding_utils import replicate, shard_along_batch_dim

assert jax.device_count() == 2
rng = np.random.default_rng(0)
weights = Weights(*(rng.normal(size=s).astype(np.float32) for s in ((2, 3, 16), (2, 4, 16), (2, 16))))
x, lengths = rng.normal(size=(6, 5, 3)).astype(np.float32), np.array([5, 1, 3, 4, 2, 5], np.int32)

def total(lstm, weights, x):
    return (jnp.sin(jnp.arange(8.0)) * lstm(x, lengths, weights)).sum()

split = lambda *arguments: on_every_device(scan_lstm, *arguments)
step = jax.jit(jax.value_and_grad(total, (1, 2)), static_argnums=0)
expected = step(scan_lstm, weights, x)
found = step(split, replicate(weights), shard_along_batch_dim(x))
jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5), found, expected)
"""


@pytest.mark.full
def test_each_device_runs_its_own_rows():
    """As with cuDNN, which XLA cannot split: the same results and gradients as on one device."""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-W", "error", "-c", TWO_DEVICES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
