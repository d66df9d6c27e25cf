"""The U-Net of fastmri: dropout of whole channels, odd sizes, and each picture by itself."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf import random_utils
from algoperf.spec import ForwardPassMode
from bound_workload import bind

TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL
VARIANTS = ["fastmri", "fastmri_tanh", "fastmri_layernorm", "fastmri_model_size"]


def pictures(count: int, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, side, side)).astype(np.float32)


class Model:
    """A small model of one framework with its initial values."""

    def __init__(self, framework: str, name: str = "fastmri", **model) -> None:
        self.framework = framework
        self.workload = bind(name, "mini", framework, **{"num_channels": 4, "num_pool_layers": 2, **model})
        self.params, _ = self.workload.init_model_fn(self.key(0))

    def key(self, seed: int):
        random_utils.use_framework(self.framework)
        return random_utils.PRNGKey(seed)

    def __call__(self, inputs: np.ndarray, mode: ForwardPassMode = EVAL, seed: int = 0, **options) -> np.ndarray:
        if self.framework == "pytorch":
            import torch

            torch.manual_seed(seed)
            tensor = torch.from_numpy(inputs)
        else:
            import jax.numpy as jnp

            tensor = jnp.asarray(inputs)
        batch = {"inputs": tensor}
        logits, state = self.workload.model_fn(self.params, batch, None, mode, self.key(seed), True, **options)
        assert state is None
        return np.array(logits.tolist(), np.float32)


@pytest.fixture(scope="module", params=["jax", "pytorch"])
def model(request) -> Model:
    return Model(request.param)


def test_dropout_is_honoured_in_training_only(model):
    """The reference ignores the rate in JAX. The default rate is 0."""
    inputs = pictures(2)
    expected = model(inputs)
    np.testing.assert_allclose(model(inputs, TRAIN), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(inputs, EVAL, dropout_rate=0.5), expected, rtol=1e-5, atol=1e-6)
    first, again, other = (model(inputs, TRAIN, seed, dropout_rate=0.5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - expected).max() > 0.1
    assert np.abs(first - other).max() > 0.1


def test_whole_channels_are_dropped_and_the_others_scaled():
    import jax
    import jax.numpy as jnp

    from algoperf.frameworks.jax.layers import Dropout

    ones = jnp.ones((40, 3, 5, 20))
    dropped = Dropout(broadcast_dims=(1, 2)).apply({}, ones, 0.25, False, rngs={"dropout": jax.random.PRNGKey(0)})
    values = np.asarray(dropped)
    assert (values == values[:, :1, :1]).all()
    assert set(np.unique(values)) == {0, np.float32(1 / 0.75)}
    assert (values[:, 0, 0] == 0).mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("side", [16, 17, 18, 19])
def test_odd_sizes(model, side):
    """Halving drops a row; the picture is as large as before."""
    assert model(pictures(1, side)).shape == (1, side, side)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_pictures_do_not_affect_each_other(framework, name):
    varied = Model(framework, name)
    inputs = pictures(3)
    np.testing.assert_allclose(varied(inputs)[1:2], varied(inputs[1:2]), rtol=1e-3, atol=1e-5)
