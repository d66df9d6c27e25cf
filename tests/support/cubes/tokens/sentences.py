"""Metrics of sentences: means over words, and texts made with the words of the dataset's store."""

from __future__ import annotations

import numpy as np

from algoperf.metrics.base import Evaluation


class SentenceMetrics:
    """Compares the texts that were decoded from first words with those that begin the rows."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.sums = {"accuracy": 0.0, "loss": 0.0}
        self.num_tokens = 0
        self.pairs: list[tuple[str, str]] = []

    def add(self, outputs, batch) -> None:
        for name in self.sums:
            self.sums[name] += float(outputs[name])
        self.num_tokens += int(batch["weights"].sum())
        inputs = batch["inputs"].astype(np.int64)
        decoded = np.concatenate([inputs[:, :1], outputs["decoded"]], axis=1)
        real = batch["real"]
        self.pairs += [tuple(map(self._text, pair)) for pair in zip(decoded[real], inputs[real], strict=True)]

    def merge(self, other: SentenceMetrics) -> None:
        for name, value in other.sums.items():
            self.sums[name] += value
        self.num_tokens += other.num_tokens
        self.pairs += other.pairs

    def result(self, num_examples: int) -> dict[str, float]:
        means = {name: value / self.num_tokens for name, value in self.sums.items()}
        exact = sum(found == expected for found, expected in self.pairs)
        characters = sum(len(found) for found, _ in self.pairs)
        return {**means, "exact_match": exact / num_examples, "mean_characters": characters / num_examples}

    def _text(self, tokens: np.ndarray) -> str:
        """The words up to the first full stop."""
        text, stop, _ = " ".join(self.words[token] for token in tokens).partition(" .")
        return text + stop


SENTENCES = Evaluation(step="classification", accumulator=lambda dataset: SentenceMetrics(dataset.words))
