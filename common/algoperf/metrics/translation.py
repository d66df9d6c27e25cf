"""Translations against references: BLEU (Papineni et al., 2002), and means over target tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from algoperf.data.contracts import Batch, OpenDataset
from algoperf.data.text.sentence_piece import END_ID
from algoperf.errors import SubmissionError
from algoperf.metrics.base import Evaluation


class Decoder(Protocol):
    """A tokenizer's way back."""

    def __len__(self) -> int:
        """How many ids there are."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        ...


def ended(ids: np.ndarray) -> list[int]:
    """The ids (L,) up to the end of the sentence; of a sentence without an end, the first id alone, as published."""
    kept: list[int] = ids[: int(np.argmax(ids == END_ID)) + 1].tolist()
    return kept


def bleu(found: Sequence[str], expected: Sequence[str]) -> float:
    """BLEU of a corpus with one reference per sentence, in percent, as the published sacreBLEU 1.3.1 computes it.

    That version smooths precisions also if not a single word is right; later ones return 0 then.
    """
    if not any(found):
        return 0.0
    from sacrebleu.metrics import BLEU

    score = BLEU(force=True).corpus_score(list(found), [list(expected)])
    if any(score.counts) or not all(score.totals):
        return float(score.score)
    precisions = [100.0 / (2**order * total) for order, total in enumerate(score.totals, start=1)]
    return float(score.bp * math.exp(sum(map(math.log, precisions)) / len(precisions)))


class TranslationMetrics:
    """Adds losses and correct tokens, and collects the texts of a split."""

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer: Decoder | None = tokenizer
        self._sums = dict.fromkeys(("loss", "accuracy", "tokens"), 0.0)
        self._pairs: list[tuple[str, str]] = []

    def __getstate__(self) -> dict[str, object]:
        """Processes send each other sums and texts."""
        return {"_tokenizer": None, "_sums": self._sums, "_pairs": self._pairs}

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds loss and correct tokens, summed, and `translations` (B, L) as ids.

        References are decoded from the targets, as published.
        """
        assert self._tokenizer is not None, "an accumulator that was sent only merges"
        for name in ("loss", "accuracy"):
            self._sums[name] += float(outputs[name])
        self._sums["tokens"] += float(batch["weights"].sum())
        for row in np.flatnonzero(batch["real"]):
            found, expected = outputs["translations"][row], batch["targets"][row]
            self._pairs.append((self._tokenizer.decode(ended(found)), self._tokenizer.decode(ended(expected))))

    def merge(self, other: TranslationMetrics) -> None:
        """Add the sums and texts of another process."""
        for name, value in other._sums.items():
            self._sums[name] += value
        self._pairs += other._pairs

    def result(self, num_examples: int) -> dict[str, float]:
        """Means over target tokens, and BLEU of the texts."""
        del num_examples
        means = {name: self._sums[name] / max(self._sums["tokens"], 1) for name in ("loss", "accuracy")}
        return {**means, "bleu": bleu([found for found, _ in self._pairs], [expected for _, expected in self._pairs])}


class DecodedTranslations:
    """Collects the texts that a submitted model has decoded. Its ids may be anything, so they are checked."""

    def __init__(self, tokenizer: Decoder) -> None:
        self._metrics, self._num_ids = TranslationMetrics(tokenizer), len(tokenizer)

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """`outputs` holds `translations` (B, L) as ids. SubmissionError if they are none."""
        if flaw := self._flaw(outputs.get("translations"), batch["targets"].shape):
            raise SubmissionError(f"decode(...) returned {flaw}. docs/model-track.md says what it returns.")
        self._metrics.add({"loss": np.zeros(()), "accuracy": np.zeros(()), **outputs}, batch)

    def merge(self, other: DecodedTranslations) -> None:
        """Add the texts of another process."""
        self._metrics.merge(other._metrics)

    def result(self, num_examples: int) -> dict[str, float]:
        """BLEU of the texts. Loss and accuracy are of next tokens, which a model can only guess from the reference."""
        return {"bleu": self._metrics.result(num_examples)["bleu"]}

    def _flaw(self, ids: np.ndarray | None, targets: tuple[int, ...]) -> str | None:
        """What is wrong with decoded ids, for targets of a shape (B, L)."""
        if ids is None or ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
            return "no translations" if ids is None else f"{ids.dtype}{list(ids.shape)}; allowed: integers (B, L)"
        if len(ids) != targets[0] or not 1 <= ids.shape[1] <= targets[1]:
            return f"ids of shape {list(ids.shape)}; allowed: {targets[0]} rows of 1 to {targets[1]}"
        if ids.min() < 0 or ids.max() >= self._num_ids:
            return f"ids from {ids.min()} to {ids.max()}; allowed: 0 to {self._num_ids - 1}"
        return None


def _tokenizer(dataset: OpenDataset) -> Decoder:
    found: Decoder = dataset.tokenizer  # type: ignore[attr-defined]
    return found


TRANSLATIONS = Evaluation(
    step="classification",
    accumulator=lambda dataset: TranslationMetrics(_tokenizer(dataset)),
    end_id=END_ID,
    decoded=Evaluation(
        step="decoding", accumulator=lambda dataset: DecodedTranslations(_tokenizer(dataset)), end_id=END_ID
    ),
)
