"""Mean average precision over many tasks with missing labels."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.metrics.base import Evaluation


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision of one task: the sum over thresholds of precision times the increase in recall.

    Args:
      labels: (N,), 0 or 1.
      scores: float32 (N,), larger if more likely; equal scores share a threshold. Must not be NaN.

    Returns: as scikit-learn's `average_precision_score`; 0 if no label is 1, NaN if there are no labels.
    """
    if len(labels) == 0:
        return math.nan
    # Pack score and label into one integer that sorts like the score: integers sort much faster.
    keys = np.sort((_ordered(scores).astype(np.uint64) << np.uint64(1)) | (labels > 0))[::-1]
    true_positives = np.cumsum(keys & np.uint64(1), dtype=np.int64)
    ends_of_ties = np.flatnonzero(np.append(np.diff(keys >> np.uint64(1)) != 0, True))
    if true_positives[-1] == 0:
        return 0.0
    hits = true_positives[ends_of_ties]
    precision = hits / (ends_of_ties + 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / true_positives[-1])


def _ordered(scores: np.ndarray) -> np.ndarray:
    """Map float32 to uint32 with the same order: for negative numbers, the order of the bits is reversed."""
    bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.uint32)  # -0 becomes 0
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def mean_average_precision(logits: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> float:
    """Mean average precision over the tasks with both classes; NaN if there is no such task, or if a logit is NaN.

    A task has both classes if its column of `labels` has a 0 and a 1 in any row. As published, missing labels count as
    0 for this. The average precision of a task only uses known labels.

    Args:
      logits: float32 (N, T).
      labels: (N, T), 0 or 1; 0 if missing.
      mask: (N, T), nonzero where labels are known.
    """
    known = mask > 0
    if np.isnan(logits[known]).any():
        return math.nan
    with np.errstate(over="ignore"):  # exp overflows to infinity, which gives probability 0
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float32)))
    positive = labels > 0
    tasks = np.flatnonzero(positive.any(axis=0) & ~positive.all(axis=0))
    # Tasks are columns: contiguous columns are read several times as fast.
    columns = (np.ascontiguousarray(array[:, tasks].T) for array in (known, positive, probabilities))
    found = [average_precision(label[rows], score[rows]) for rows, label, score in zip(*columns, strict=True)]
    defined = [value for value in found if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


class MultiLabelMetrics:
    """Collects all logits of a split; accuracy and loss are means over the known labels."""

    def __init__(self) -> None:
        self._sums = {"accuracy": 0.0, "loss": 0.0}
        self._num_labels = 0
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds sums over the batch's known labels, the number of known labels, and `logits` (G, T)."""
        for name in self._sums:
            self._sums[name] += float(outputs[name])
        self._num_labels += int(outputs["num_labels"])
        self._rows.append((outputs["logits"], np.asarray(batch["targets"]), np.asarray(batch["weights"])))

    def merge(self, other: MultiLabelMetrics) -> None:
        """Add the rows of another process."""
        for name, value in other._sums.items():
            self._sums[name] += value
        self._num_labels += other._num_labels
        self._rows += other._rows

    def result(self, num_examples: int) -> dict[str, float]:
        """Accuracy and loss over known labels, and mean average precision over tasks; none is over examples."""
        del num_examples
        means = {name: total / max(self._num_labels, 1) for name, total in self._sums.items()}
        logits, labels, mask = (np.concatenate(parts) for parts in zip(*self._rows, strict=True))
        return {**means, "mean_average_precision": mean_average_precision(logits, labels, mask)}


MULTI_LABEL = Evaluation(step="multi_label", accumulator=lambda dataset: MultiLabelMetrics())
