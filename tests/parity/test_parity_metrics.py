"""Losses and evaluation metrics on given logits: against the reference, and so the same in both frameworks."""

from types import SimpleNamespace

import numpy as np
import pytest

import golden
from algoperf.frameworks import steps
from bound_workload import bind

GOLDEN = golden.read("metrics/classification")
ARRAYS = golden.arrays("metrics/classification")


class Jax:
    def __init__(self):
        import jax.numpy as jnp

        self.array = jnp.asarray
        self.loss_fn = bind("digits", "full", "jax").loss_fn


class Torch:
    def __init__(self):
        import torch

        self.array = torch.from_numpy
        self.loss_fn = bind("digits", "full", "pytorch").loss_fn


@pytest.fixture(scope="module", params=[Jax, Torch])
def side(request):
    return request.param()


@pytest.fixture(params=list(GOLDEN))
def workload(request) -> str:
    return request.param


def arrays_of(side, workload: str):
    logits, targets, weights = (ARRAYS[f"{workload}__{name}"] for name in ("logits", "targets", "weights"))
    return side.array(logits.astype(np.float32)), side.array(targets), side.array(weights)


def test_softmax_cross_entropy(side, workload):
    """With and without mask (which need not be 0 or 1) and label smoothing."""
    logits, targets, weights = arrays_of(side, workload)
    for mask, smoothing in ((True, 0.0), (True, 0.1), (False, 0.0), (False, 0.1)):
        key = f"{'masked' if mask else 'nomask'}_ls{smoothing}"
        found = side.loss_fn(targets, logits, weights if mask else None, smoothing)
        expected = GOLDEN[workload][f"loss_{key}"]["jax"]
        assert float(found["summed"]) == pytest.approx(expected["summed"], rel=1e-6), key
        assert float(found["n_valid_examples"]) == expected["n"], key
        rows = ARRAYS[f"{workload}__per_example_{key}"]
        np.testing.assert_allclose(np.asarray(found["per_example"]), rows, rtol=1e-5, atol=1e-6, err_msg=key)


def test_evaluation_sums(side, workload):
    """Sums of correct predictions and of losses, weighted; `loss` is not smoothed."""
    expected = GOLDEN[workload].get("eval_metrics_jax")
    if expected is None:
        assert workload == "mnist"  # the reference has no metric function to call there
        return
    logits, targets, weights = arrays_of(side, workload)
    stub = SimpleNamespace(model_fn=lambda *args, **kwargs: (logits, None), loss_fn=side.loss_fn)
    batch = {"targets": targets, "weights": weights}
    found = steps.classification(stub, None, None, batch, None)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-6)
