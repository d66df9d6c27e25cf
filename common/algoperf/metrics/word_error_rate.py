"""Word error rates of transcripts, and the mean loss per token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from algoperf.data.contracts import Batch, OpenDataset
from algoperf.metrics.base import Evaluation


class Decoder(Protocol):
    """A tokenizer's way back."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        ...


def collapse(classes: np.ndarray) -> list[int]:
    """The labels of the best class of every frame (T,): repetitions are one label, and 0 is none (Graves et al.)."""
    is_new = np.append(True, classes[1:] != classes[:-1])
    labels: list[int] = classes[is_new & (classes > 0)].tolist()
    return labels


def num_edits(found: Sequence[str], expected: Sequence[str]) -> int:
    """Words to insert, delete or replace (Levenshtein, 1966)."""
    if found == expected:
        return 0
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(found, expected))


def published_words(text: str) -> list[str]:
    """The words that the published targets count: those of a printed TensorFlow string.

    Two of them are always right, and the first and last word of the text carry parts of the printed form. All
    published results depend on it.
    """
    return f"tf.Tensor({text.encode()!r}, shape=(), dtype=string)".split()


class TranscriptMetrics:
    """Adds losses, tokens, errors and words over the utterances of a split."""

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer: Decoder | None = tokenizer
        self._sums = dict.fromkeys(("loss", "tokens", "errors", "words", "plain_errors", "plain_words"), 0.0)

    def __getstate__(self) -> dict[str, object]:
        """Processes send each other the sums alone."""
        return {"_tokenizer": None, "_sums": self._sums}

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds summed loss and number of tokens of the real rows, and `classes` (B, T)."""
        assert self._tokenizer is not None, "an accumulator that was sent only merges"
        self._sums["loss"] += float(outputs["ctc_loss"])
        self._sums["tokens"] += float(outputs["num_tokens"])
        targets = batch["targets"]
        for row in np.flatnonzero(batch["real"]):
            expected = targets.values[row, : targets.lengths[row]]
            self._add_texts(
                self._tokenizer.decode(collapse(outputs["classes"][row])),
                self._tokenizer.decode(expected.astype(int).tolist()),
            )

    def _add_texts(self, found: str, expected: str) -> None:
        words, plain = published_words(expected), expected.split()
        self._sums["errors"] += num_edits(published_words(found), words)
        self._sums["words"] += len(words)
        self._sums["plain_errors"] += num_edits(found.split(), plain)
        self._sums["plain_words"] += len(plain)

    def merge(self, other: TranscriptMetrics) -> None:
        """Add the sums of another process."""
        for name, value in other._sums.items():
            self._sums[name] += value

    def result(self, num_examples: int) -> dict[str, float]:
        """Loss per token, and errors per word: `wer` as published, `wer_plain` of the texts alone."""
        del num_examples
        sums = self._sums
        return {
            "ctc_loss": sums["loss"] / max(sums["tokens"], 1),
            "wer": sums["errors"] / max(sums["words"], 1),
            "wer_plain": sums["plain_errors"] / max(sums["plain_words"], 1),
        }


def _metrics(dataset: OpenDataset) -> TranscriptMetrics:
    tokenizer: Decoder = dataset.tokenizer  # type: ignore[attr-defined]
    return TranscriptMetrics(tokenizer)


TRANSCRIPTS = Evaluation(step="transcription", accumulator=_metrics)
