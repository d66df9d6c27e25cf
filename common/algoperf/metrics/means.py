"""Means over examples: accuracy, loss, and any other sum divided by a count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.metrics.base import Evaluation


class MeanOverExamples:
    """Adds the device's sums per batch in float64, and divides by the number of examples."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds one scalar per metric: its sum over the valid rows of the batch."""
        del batch
        for name, value in outputs.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)

    def merge(self, other: MeanOverExamples) -> None:
        """Add the sums of another process."""
        for name, value in other._sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def result(self, num_examples: int) -> dict[str, float]:
        """Sums divided by `num_examples`."""
        return {name: total / num_examples for name, total in self._sums.items()}


CLASSIFICATION = Evaluation(step="classification", accumulator=lambda dataset: MeanOverExamples())
RECONSTRUCTION = Evaluation(step="reconstruction", accumulator=lambda dataset: MeanOverExamples())
CLICKS = Evaluation(step="summed_loss", accumulator=lambda dataset: MeanOverExamples())
