"""The training step that baselines share: mean loss over valid rows, clipping, one update."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from algoperf.frameworks import load_backend
from algoperf.random_utils import PRNGKey
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload

NUM_ROWS, NUM_VALID = 16, 10


@dataclass
class Stepper:
    """Plain gradient descent, from the same parameters every time.

    `statistics` are the batch statistics after the last step.
    """

    workload: Any
    step: Any
    sgd: Any
    read: Any
    read_statistics: Any
    statistics: Any = None

    def __call__(self, batch, **settings):
        """The change of each parameter at learning rate 1, and the metrics of the step."""
        key = PRNGKey(0)
        params, model_state = self.workload.init_model_fn(key)
        before = self.read(params)
        state = self.sgd(params)
        batch = self.workload.place(batch)
        (_, params, model_state), metrics = self.step.train_step(
            self.workload, state, params, model_state, batch, key, 1.0, **settings
        )
        self.statistics = self.read_statistics(params, model_state)
        after = self.read(params)
        return {name: after[name] - before[name] for name in before}, {k: float(v) for k, v in metrics.items()}


def make_stepper(framework: str, name: str) -> Stepper:
    workload = load_backend(framework).bind(find_workload(name), load_version().limits(name))
    if framework == "jax":
        import jax
        import optax

        from algoperf.blocks import jax_step

        def read(params):
            return {jax.tree_util.keystr(p): np.array(leaf) for p, leaf in jax.tree_util.tree_leaves_with_path(params)}

        return Stepper(
            workload,
            jax_step,
            lambda _: jax_step.init_state(workload, optax.identity()),
            read,
            lambda params, model_state: read(model_state),
        )
    import torch

    from algoperf.blocks import torch_step

    def sgd(params):
        return {"optimizer": torch.optim.SGD(params.parameters(), lr=0.0)}

    return Stepper(
        workload,
        torch_step,
        sgd,
        lambda params: {n: p.detach().numpy().copy() for n, p in params.named_parameters()},
        lambda params, model_state: {n: buffer.numpy().copy() for n, buffer in params.named_buffers()},
    )


@pytest.fixture(scope="module", params=["jax", "pytorch"])
def stepper(request) -> Stepper:
    return make_stepper(request.param, "mnist")


def batch_of(num_rows: int = NUM_ROWS, **extra) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(NUM_ROWS, 28, 28, 1)).astype(np.float32)
    targets = rng.integers(10, size=NUM_ROWS).astype(np.int32)
    return {"inputs": inputs[:num_rows], "targets": targets[:num_rows], **extra}


def norm(change: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(array.astype(np.float64) ** 2) for array in change.values())))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_masked_rows_count_as_if_they_were_not_there(stepper, smoothing):
    """Sums of losses are divided by the number of valid rows, not of all."""
    mask = (np.arange(NUM_ROWS) < NUM_VALID).astype(np.float32)
    change, metrics = stepper(batch_of(weights=mask), label_smoothing=smoothing)
    expected, expected_metrics = stepper(batch_of(NUM_VALID), label_smoothing=smoothing)
    assert metrics == pytest.approx(expected_metrics, rel=1e-5)
    for name in change:
        np.testing.assert_allclose(change[name], expected[name], rtol=1e-4, atol=1e-6)


def test_the_gradient_is_a_mean(stepper):
    """A batch of the same rows twice gives the same step."""
    once = batch_of()
    twice = {name: np.concatenate([array, array]) for name, array in once.items()}
    (change, metrics), (expected, expected_metrics) = stepper(twice), stepper(once)
    assert metrics == pytest.approx(expected_metrics, rel=1e-5)
    assert metrics["loss"] == pytest.approx(np.log(10), abs=2)
    for name in change:
        np.testing.assert_allclose(change[name], expected[name], rtol=1e-4, atol=1e-6)


def test_clipping(stepper):
    """To the given norm if it is exceeded, which the reported norm is not about."""
    free, metrics = stepper(batch_of())
    length = metrics["grad_norm"]
    assert norm(free) == pytest.approx(length, rel=1e-5)
    clipped, metrics = stepper(batch_of(), grad_clip=length / 2)
    assert norm(clipped) == pytest.approx(length / 2, rel=1e-4)
    assert metrics["grad_norm"] == pytest.approx(length, rel=1e-5)
    unclipped, _ = stepper(batch_of(), grad_clip=length * 2)
    assert norm(unclipped) == pytest.approx(length, rel=1e-5)
    for name in free:
        np.testing.assert_allclose(2 * clipped[name], free[name], rtol=1e-3, atol=1e-6)


def test_label_smoothing_changes_the_step(stepper):
    _, plain = stepper(batch_of())
    _, smoothed = stepper(batch_of(), label_smoothing=0.1)
    assert plain["loss"] != pytest.approx(smoothed["loss"], rel=1e-3)


def test_sam_goes_up_the_gradient_and_leaves_batch_statistics_alone(stepper):
    """Those of the first pass count; the gradient is another one than at the parameters themselves."""
    framework = "jax" if "jax" in stepper.step.__name__ else "pytorch"
    digits = make_stepper(framework, "digits")
    batch = batch_of()
    batch["inputs"] = np.ascontiguousarray(batch["inputs"][:, :8, :8])
    plain, metrics = digits(batch, dropout_rate=0.0)
    statistics = digits.statistics
    sharp, sharp_metrics = digits(batch, dropout_rate=0.0, rho=0.5)
    assert statistics
    for name, expected in statistics.items():
        if name.endswith("num_batches_tracked"):
            continue  # PyTorch counts every pass; with a momentum, as here, it does not use the count
        np.testing.assert_array_equal(digits.statistics[name], expected)
    assert sharp_metrics == pytest.approx(metrics, rel=1e-5)
    assert norm({name: sharp[name] - plain[name] for name in plain}) > 0.1 * norm(plain)
    clipped, _ = digits(batch, dropout_rate=0.0, rho=0.5, grad_clip=0.1)
    assert norm(clipped) == pytest.approx(0.1, rel=1e-4)
