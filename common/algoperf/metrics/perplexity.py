"""Perplexity: the exponential of the mean loss per token."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.metrics.base import Evaluation


class PerplexityMetrics:
    """Adds losses and tokens over the sequences of a split, in float64."""

    def __init__(self) -> None:
        self._loss = self._num_tokens = 0.0

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds the summed loss of the batch's real tokens, and their number."""
        del batch
        self._loss += float(outputs["loss"])
        self._num_tokens += float(outputs["num_tokens"])

    def merge(self, other: PerplexityMetrics) -> None:
        """Add the sums of another process."""
        self._loss += other._loss
        self._num_tokens += other._num_tokens

    def result(self, num_examples: int) -> dict[str, float]:
        """Loss per token, and `ppl`, which is infinite where the loss is above 709."""
        del num_examples
        loss = self._loss / max(self._num_tokens, 1.0)
        with np.errstate(over="ignore"):
            return {"loss": loss, "ppl": float(np.exp(loss))}


PERPLEXITY = Evaluation(step="token_loss", accumulator=lambda dataset: PerplexityMetrics())
