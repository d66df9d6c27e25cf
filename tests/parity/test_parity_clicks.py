"""The loss of criteo1tb against the reference, with and without a mask."""

import numpy as np
import pytest

import golden
from bound_workload import bind

GOLDEN = golden.read("metrics/criteo_loss")


def tensor_of(framework):
    if framework == "jax":
        import jax.numpy as jnp

        return jnp.asarray
    import torch

    return torch.as_tensor


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_loss(framework, masked, shape):
    """Logits are (B, 1); targets and mask may be (B,) too, and smoothing is ignored."""
    tensor = tensor_of(framework)
    logits, targets, weights = (
        np.array(GOLDEN[name], np.float32) for name in ("logits_shape_B1", "targets", "weights")
    )
    targets, weights = tensor(targets.reshape(shape)), tensor(weights.reshape(shape))
    loss_fn = bind("criteo1tb_test", "full", framework).loss_fn
    found = loss_fn(targets, tensor(logits.reshape(-1, 1)), weights if masked else None, 0.1)
    expected = GOLDEN["masked" if masked else "nomask"][{"jax": "jax", "pytorch": "torch"}[framework]]
    assert float(found["summed"]) == pytest.approx(expected["summed"], rel=1e-6)
    assert float(found["n_valid_examples"]) == expected["n_valid_examples"]
    np.testing.assert_allclose(np.asarray(found["per_example"]), expected["per_example"], rtol=1e-5, atol=1e-6)
