"""What every workload owes to submissions: loss functions and output activation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algoperf import spec
from contract_kinds import binary_cross_entropy, cross_entropy


def test_loss_of_a_workload(case):
    """Which loss each workload has; the tests below are about the losses."""
    assert case.workload.loss_type is case.kind.loss_type
    targets, logits, mask, expected = case.kind.loss_example(case.kit.integer)
    loss = case.workload.loss_fn(*map(case.tensor, (targets, logits, mask)), label_smoothing=0.1)
    near_zero = 0.0 if mask.ndim == 1 else 1e-5
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5, atol=near_zero)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(loss["n_valid_examples"]) == case.kind.num_valid(targets, mask)


def test_output_activation(case):
    logits = case.kit.tensor(np.array([[0.0, math.log(3.0)]], np.float32))
    found = case.workload.output_activation_fn(logits, case.framework)
    expected = {
        spec.LossType.SOFTMAX_CROSS_ENTROPY: [[0.25, 0.75]],
        spec.LossType.CTC_LOSS: [[0.25, 0.75]],
        spec.LossType.SIGMOID_CROSS_ENTROPY: [[0.5, 0.75]],
        spec.LossType.MEAN_ABSOLUTE_ERROR: [[0.0, math.log(3.0)]],
    }
    np.testing.assert_allclose(np.asarray(found), expected[case.workload.loss_type], rtol=1e-6)
    with pytest.raises(ValueError, match="tensorflow"):
        case.workload.output_activation_fn(logits, "tensorflow")


@pytest.mark.parametrize("mask", [None, np.array([1, 0, 1, 1, 0], np.float32), np.array([True, False] * 2 + [True])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_fn(classes, mask, smoothing):
    """Masks are numbers, or booleans as in published PyTorch batches."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 10)).astype(np.float32), rng.integers(10, size=5)
    tensor = classes.kit.tensor
    loss = classes.workload.loss_fn(
        label_batch=tensor(labels.astype(classes.kit.integer)),
        logits_batch=tensor(logits),
        mask_batch=None if mask is None else tensor(mask),
        label_smoothing=smoothing,
    )
    assert loss.keys() == {"summed", "n_valid_examples", "per_example"}
    assert all(isinstance(value, classes.kit.tensor_type) for value in loss.values())
    expected = cross_entropy(logits, labels, smoothing) * (1 if mask is None else mask)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert loss["n_valid_examples"].shape == ()
    assert float(loss["n_valid_examples"]) == (5 if mask is None else mask.sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_soft_targets(classes, smoothing):
    """Mixed targets are smoothed like any others."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 10)).astype(np.float32)
    soft = rng.dirichlet(np.ones(10), size=5).astype(np.float32)
    loss = classes.workload.loss_fn(classes.kit.tensor(soft), classes.kit.tensor(logits), label_smoothing=smoothing)
    log_probabilities = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    expected = -(((1 - smoothing) * soft + smoothing / 10) * log_probabilities).sum(axis=1)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5)
    assert float(loss["n_valid_examples"]) == 5


def test_loss_of_as_many_labels_as_classes(classes):
    """Number of axes, not length, tells labels from soft targets."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(10, 10)).astype(np.float32), rng.permutation(10)
    loss = classes.workload.loss_fn(classes.kit.tensor(labels.astype(classes.kit.integer)), classes.kit.tensor(logits))
    np.testing.assert_allclose(np.asarray(loss["per_example"]), cross_entropy(logits, labels, 0.0), rtol=1e-5)


@pytest.mark.parametrize("mask_type", [np.float32, bool])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_many_labels(labels, mask_type, smoothing):
    """What counts are known labels, not rows: of the third graph there are none."""
    rng, shape = np.random.default_rng(0), (4, labels.kind.num_outputs)
    logits = rng.normal(size=shape, scale=30).astype(np.float32)  # far out too, where exp overflows
    truth, mask = rng.integers(2, size=shape).astype(np.float32), rng.integers(2, size=shape).astype(mask_type)
    mask[2] = 0
    loss = labels.workload.loss_fn(*map(labels.kit.tensor, (truth, logits, mask)), label_smoothing=smoothing)
    expected = binary_cross_entropy(logits, truth, smoothing) * mask
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5, atol=1e-5)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(loss["n_valid_examples"]) == mask.sum()
    assert all(isinstance(value, labels.kit.tensor_type) for value in loss.values())


def test_a_loss_of_many_labels_needs_masks_and_labels_of_its_shape(labels):
    truth, logits = (labels.kit.tensor(np.zeros((4, labels.kind.num_outputs), np.float32)) for _ in range(2))
    for message, mask in (("need a mask of the same shape", None), (r"mask has shape \(4,\)", truth[:, 0])):
        with pytest.raises(ValueError, match=message):
            labels.workload.loss_fn(truth, logits, mask)
    with pytest.raises(ValueError, match="they must be the same"):
        labels.workload.loss_fn(truth[:, 0], logits, logits)


def test_label_smoothing_is_optional(classes):
    logits, labels = np.zeros((2, 10), np.float32), np.zeros(2, classes.kit.integer)
    loss = classes.workload.loss_fn(classes.kit.tensor(labels), classes.kit.tensor(logits))
    assert float(loss["summed"]) == pytest.approx(2 * math.log(10), rel=1e-6)


TOKEN_MASKS = {
    "none": (None, np.ones((4, 6), np.float32)),
    "tokens": (np.arange(24).reshape(4, 6) % 5 > 1, np.arange(24).reshape(4, 6) % 5 > 1),
    "rows": (np.array([1, 0, 2, 1], np.float32), np.array([1, 0, 2, 1], np.float32)[:, None] * np.ones((4, 6))),
    "columns": (np.array([[1], [0], [0], [1]]), np.array([[1], [0], [0], [1]]) * np.ones((4, 6))),
}


@pytest.mark.parametrize("mask", TOKEN_MASKS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_tokens(classes, mask, smoothing):
    """Logits (B, L, V), integer labels (B, L), and masks for tokens or rows."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 6, 11)).astype(np.float32), rng.integers(11, size=(4, 6))
    given, whole = TOKEN_MASKS[mask]
    loss = classes.loss("tokens", labels.astype(classes.kit.integer), logits, given, smoothing)
    expected = cross_entropy(logits.reshape(24, 11), labels.reshape(24), smoothing).reshape(4, 6) * whole
    assert np.asarray(loss["per_example"]).shape == (4, 6)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5, atol=1e-7)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(loss["n_valid_examples"]) == whole.sum()


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize("mask", [None, np.array([1, 0, 1, 1, 0]), np.array([[1.0], [0], [0.5], [1], [0]], np.float32)])
def test_loss_of_single_logits(classes, shape, mask):
    """One logit per row; labels, logits and mask may each be (B,) or (B, 1), and smoothing is ignored."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 1)).astype(np.float32), (np.arange(5) % 2).astype(np.float32).reshape(shape)
    loss = classes.loss("sigmoid", labels, logits, mask, 0.1)
    flat = np.ones(5) if mask is None else mask.reshape(5)
    expected = binary_cross_entropy(logits, labels.reshape(5, 1), 0.0).reshape(5) * flat
    assert np.asarray(loss["per_example"]).shape == (5,)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5, atol=1e-7)
    assert float(loss["n_valid_examples"]) == flat.sum()


@pytest.mark.parametrize(("name", "shape"), [("tokens", (6, 4)), ("tokens", (4, 6, 1)), ("sigmoid", (4, 6))])
def test_masks_that_do_not_fit(classes, name, shape):
    logits = np.zeros((4, 6, 11) if name == "tokens" else (4, 1), np.float32)
    labels = np.zeros((4, 6) if name == "tokens" else (4,), classes.kit.integer if name == "tokens" else np.float32)
    with pytest.raises(ValueError, match="The mask has shape"):
        classes.loss(name, labels, logits, np.ones(shape, np.float32), 0.0)
