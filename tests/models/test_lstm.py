"""The bidirectional LSTM of JAX: against PyTorch's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf.frameworks.jax.models.lstm import Weights, bidirectional_lstm

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
        outputs = bidirectional_lstm(x, LENGTHS, weights)
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
