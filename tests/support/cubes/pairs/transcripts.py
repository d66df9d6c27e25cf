"""Metrics of transcripts: the mean loss per example, and edits per token."""

from __future__ import annotations

import itertools

import numpy as np

from algoperf.metrics.base import Evaluation


def num_edits(found: list[int], expected: list[int]) -> int:
    """Insertions, deletions and replacements between two sequences (Levenshtein, 1966)."""
    row = list(range(len(expected) + 1))
    for number, token in enumerate(found, start=1):
        before, row = row, [number]
        for place, other in enumerate(expected):
            row.append(min(before[place] + (token != other), before[place + 1] + 1, row[place] + 1))
    return row[-1]


class TranscriptMetrics:
    """Adds losses, edits and tokens over the examples of a split."""

    def __init__(self) -> None:
        self.loss, self.num_edits, self.num_tokens = 0.0, 0, 0

    def add(self, outputs, batch) -> None:
        self.loss += float(outputs["loss"])
        targets = batch["targets"]
        for row in np.flatnonzero(batch["real"]):
            classes = [key for key, _ in itertools.groupby(outputs["classes"][row].tolist())]
            expected = targets.values[row, : targets.lengths[row]].tolist()
            self.num_edits += num_edits([token for token in classes if token > 0], expected)
            self.num_tokens += len(expected)

    def merge(self, other: TranscriptMetrics) -> None:
        self.loss += other.loss
        self.num_edits += other.num_edits
        self.num_tokens += other.num_tokens

    def result(self, num_examples: int) -> dict[str, float]:
        return {"loss": self.loss / num_examples, "token_error_rate": self.num_edits / self.num_tokens}


TRANSCRIPTS = Evaluation(step="mean_loss", accumulator=lambda dataset: TranscriptMetrics())
