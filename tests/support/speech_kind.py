"""What the contract tests need to know about speech; see `contract_kinds`."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from algoperf.spec import ForwardPassMode
from probe_kinds import Transcripts, alignment_loss, check_arrays


class Speech(Transcripts):
    """Recordings and their texts, as pairs of values and paddings, all float32."""

    metrics = ("ctc_loss", "wer", "wer_plain")

    def __init__(self, num_samples: int, num_frames: int, num_tokens: int, vocab_size: int) -> None:
        self.num_samples, self.num_frames, self.num_tokens = num_samples, num_frames, num_tokens
        self.vocab_size = vocab_size

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Of every frame the classes, and the padding that `one_array` adds."""
        return (batch_size, self.num_frames, self.vocab_size + 1)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """As published: samples are not scaled, and what is behind the end of a row is 0."""
        assert batch.keys() == {"inputs", "targets"}
        for name, length in (("inputs", self.num_samples), ("targets", self.num_tokens)):
            assert type(batch[name]) is tuple
            named = dict(zip(("values", "paddings"), batch[name], strict=True))
            check_arrays(case, named, dict.fromkeys(named, ((batch_size, length), np.float32)))
            values, paddings = map(np.asarray, batch[name])
            assert set(np.unique(paddings)) == {0.0, 1.0}
            assert (np.diff(paddings, axis=1) >= 0).all()
            assert not values[paddings == 1].any()
            np.testing.assert_array_equal(values, values.round())
        assert 1_000 < np.abs(np.asarray(batch["inputs"][0])).max() < 32_768
        ids, paddings = map(np.asarray, batch["targets"])
        last = (paddings == 0).sum(axis=1) - 1
        assert (ids[np.arange(batch_size), last] == 2).all(), "the end of the sentence"

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The loss per token; blanks are class 0."""
        assert weights.tolist() == [1.0] * len(logits)
        tokens = [target[target[:, -1] == 0, 0].astype(int) for target in targets]
        frames = [row[row[:, -1] == 0, :-1] for row in logits]
        losses = [alignment_loss(*pair) for pair in zip(frames, tokens, strict=True)]
        return {"ctc_loss": sum(losses) / sum(map(len, tokens))}

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Errors per word, of the texts and of their published form."""
        logits, _ = case.forward(model, case.workload.place(batch), ForwardPassMode.EVAL)
        decode = case.opened.data.dataset.tokenizer.decode
        targets, counts = batch["targets"], np.zeros((2, 2))
        for row, ids, length in zip(logits, targets.values, targets.lengths, strict=True):
            best = row[row[:, -1] == 0, :-1].argmax(axis=-1).tolist()
            found = decode([label for label, _ in itertools.groupby(best) if label])
            expected = decode(ids[:length].tolist())
            for place, form in enumerate(("{}", "tf.Tensor({!r}, shape=(), dtype=string)")):
                pair = [form.format(text.encode() if place else text).split() for text in (found, expected)]
                counts[place] += num_edits(*map(tuple, pair)), len(pair[1])
        plain, published = counts[:, 0] / counts[:, 1]
        return {"wer": published, "wer_plain": plain}


@functools.cache
def num_edits(found: tuple[str, ...], expected: tuple[str, ...]) -> int:
    """Insertions, deletions and replacements, by recursion: either last elements are a pair, or one is left over."""
    if not found or not expected:
        return len(found) + len(expected)
    if found[-1] == expected[-1]:
        return num_edits(found[:-1], expected[:-1])
    shorter = [(found[:-1], expected), (found, expected[:-1]), (found[:-1], expected[:-1])]
    return 1 + min(num_edits(*pair) for pair in shorter)
