"""The model of criteo1tb: what the golden files do not say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from algoperf.spec import ForwardPassMode
from algoperf.workload.registry import find_workload, model_module
from bound_workload import bind

VARIANTS = ["criteo1tb", "criteo1tb_layernorm", "criteo1tb_embed_init", "criteo1tb_resnet", "criteo1tb_test"]


def inputs_of(num_rows: int, largest: int = 1 << 25) -> np.ndarray:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, largest, (num_rows, 26))
    return np.concatenate([rng.random((num_rows, 13)), ids], axis=1).astype(np.float32)


@pytest.fixture
def model():
    torch.manual_seed(0)
    definition = find_workload("criteo1tb").at("mini")
    return model_module(definition, "pytorch").build(definition)


@pytest.mark.parametrize("largest", [1 << 25, 2_000])
def test_chunks_are_looked_up_as_one_table(model, largest, monkeypatch):
    """Outputs, and gradients of the four parameters, which are dense; a part without any id has zeros."""
    inputs = torch.from_numpy(inputs_of(6, largest))
    names = [f"embedding_chunk_{number}" for number in range(4)]
    assert [name for name, _ in model.named_parameters()][:4] == names

    def run():
        model.zero_grad()
        logits = model(inputs, 0.0)
        logits.square().sum().backward()
        return logits.detach(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    logits, gradients = run()
    whole = lambda ids: F.embedding(ids, torch.cat([getattr(model, name) for name in names]))  # noqa: E731
    monkeypatch.setattr(model, "_look_up", whole)
    expected, of_whole = run()
    torch.testing.assert_close(logits, expected, rtol=0, atol=0)
    assert gradients.keys() == of_whole.keys()
    for name, gradient in gradients.items():
        assert gradient.layout is torch.strided
        torch.testing.assert_close(gradient, of_whole[name], rtol=1e-5, atol=1e-6, msg=name)
    is_used = [bool(gradients[name].any()) for name in names]
    assert is_used == [True] + [largest > 2_000] * 3


@pytest.mark.parametrize("name", VARIANTS)
def test_dropout_acts_before_the_output_layer(name):
    """Every variant of JAX takes a traced rate: the published residual one does not."""
    import jax

    workload = bind(name, "mini", "jax")
    key = jax.random.PRNGKey(0)
    params, state = workload.init_model_fn(key)
    batch = {"inputs": inputs_of(64)}

    @jax.jit
    def train(rate):
        mode = ForwardPassMode.TRAIN
        return workload.model_fn(params, batch, state, mode, key, update_batch_norm=True, dropout_rate=rate)[0]

    without, much = train(0.0), train(0.9)
    assert np.isfinite(without).all()
    assert not np.allclose(without, much)
    output = params[next(group for group in params if workload.is_output_params(group))]
    if name != "criteo1tb_resnet":  # whose last hidden layer adds its input, which is not dropped
        np.testing.assert_allclose(np.broadcast_to(output["bias"], without.shape), train(1.0 - 1e-7), atol=1e-5)
