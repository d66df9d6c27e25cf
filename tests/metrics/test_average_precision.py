"""Mean average precision: against scikit-learn, against the reference, and at its edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.metrics.average_precision import MultiLabelMetrics, average_precision, mean_average_precision
from places import GOLDENS

METRICS = GOLDENS / "metrics"
REFERENCE = json.loads((METRICS / "ogbg_map.json").read_text())
with np.load(METRICS / "ogbg_map.npz") as _file:
    ARRAYS = dict(_file)


def by_scikit_learn(logits, labels, mask) -> float:
    """The published definition, task by task."""
    from sklearn.metrics import average_precision_score

    with np.errstate(over="ignore"):
        scores = 1 / (1 + np.exp(-logits))
    found = []
    for task in range(labels.shape[1]):
        if np.any(labels[:, task] == 0) and np.any(labels[:, task] == 1) and mask[:, task].any():
            known = mask[:, task] > 0
            found.append(average_precision_score(labels[known, task], scores[known, task]))
    return float(np.mean(found)) if found else math.nan


def random_case(seed: int, num_rows: int = 60, num_tasks: int = 12, known: float = 0.6):
    """Logits with ties, labels of which some are missing: such with one class, and such with none known."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(num_rows, num_tasks), scale=3).astype(np.float32)
    logits[:, ::3] = logits[:, ::3].round()
    labels = (rng.random((num_rows, num_tasks)) < rng.random(num_tasks) ** 2).astype(np.float32)
    labels[:, 1], labels[:, 2] = 0, 1
    mask = (rng.random((num_rows, num_tasks)) < known).astype(np.float32)
    mask[:, 4] = 0
    mask[:, 2] = 1
    return logits, labels * mask, mask


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_scikit_learn(seed):
    case = random_case(seed)
    assert mean_average_precision(*case) == pytest.approx(by_scikit_learn(*case), rel=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([-2.5, -0.0, 0.0, 0.3, 0.30000001, 7.0])), min_size=1))
def test_ties_and_signs(rows):
    from sklearn.metrics import average_precision_score

    labels, scores = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], np.float32)
    if not labels.any():
        assert average_precision(labels, scores) == 0.0
        return
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, rel=1e-12)


def test_without_any_known_label():
    logits, labels = np.zeros((5, 3), np.float32), np.zeros((5, 3))
    assert math.isnan(average_precision(labels[:0, 0], logits[:0, 0]))
    assert math.isnan(mean_average_precision(logits, labels, np.zeros((5, 3))))
    assert math.isnan(mean_average_precision(logits, labels, np.ones((5, 3)))), "only zeros"
    assert math.isnan(mean_average_precision(logits, labels + 1, np.ones((5, 3)))), "only ones"


def test_a_task_whose_only_zeros_are_missing_labels_counts():
    """As published."""
    labels, mask = np.array([[1.0], [1.0], [0.0]]), np.array([[1.0], [1.0], [0.0]])
    assert mean_average_precision(np.zeros((3, 1), np.float32), labels, mask) == 1.0


def test_nan_is_not_hidden():
    logits, labels, mask = random_case(0)
    row, task = np.argwhere(mask > 0)[0]
    unseen = tuple(np.argwhere(mask == 0)[0])
    logits[unseen] = np.nan
    assert mean_average_precision(logits, labels, mask) == pytest.approx(
        by_scikit_learn(np.nan_to_num(logits), labels, mask)
    )
    logits[row, task] = np.nan
    assert math.isnan(mean_average_precision(logits, labels, mask))


def test_probabilities_that_round_to_the_same_are_ties():
    """The reference ranks probabilities in single precision, not logits."""
    logits = np.array([[30.0], [40.0], [-200.0], [-300.0]], np.float32)
    labels, mask = np.array([[1.0], [0.0], [0.0], [1.0]]), np.ones((4, 1))
    assert mean_average_precision(logits, labels, mask) == 0.5


# --- a whole evaluation, against the reference -----------------------------------------------------------------


def accumulate(ranges) -> MultiLabelMetrics:
    metrics = MultiLabelMetrics()
    for first, last in ranges:
        logits, labels, weights = (
            ARRAYS[name][first:last].astype(np.float32) for name in ("logits", "labels", "weights")
        )
        losses = np.logaddexp(0, logits) - logits * labels
        outputs = {
            "logits": logits,
            "accuracy": np.sum(((logits > 0) == labels) * weights),
            "loss": np.sum(losses * weights),
            "num_labels": np.sum(weights),
        }
        metrics.add(outputs, {"targets": labels, "weights": weights})
    return metrics


@pytest.mark.parametrize("name", ["single_batch", "two_batches", "without_padding_rows"])
def test_reference(name):
    expected = REFERENCE[name]
    found = accumulate(expected["row_ranges"]).result(1)
    assert found == pytest.approx({key: expected[key] for key in found}, rel=1e-6)


def test_average_precision_of_each_task_of_the_reference():
    logits, labels, weights = (ARRAYS[name].astype(np.float32) for name in ("logits", "labels", "weights"))
    for task, expected in enumerate(ARRAYS["per_task_average_precision_sklearn"]):
        found = mean_average_precision(*(array[:, task : task + 1] for array in (logits, labels, weights)))
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=str(task))


def test_processes_are_merged_in_any_order():
    whole = accumulate([(0, 40)]).result(1)
    for ranges in ([(0, 7), (7, 40)], [(7, 40), (0, 7)]):
        first, second = (accumulate([part]) for part in ranges)
        first.merge(second)
        assert first.result(1) == pytest.approx(whole, rel=1e-6)
