"""What the contract tests need to know about the probe workloads in `cubes`; see `contract_kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np

from algoperf.spec import ForwardPassMode, LossType
from contract_kinds import Kind, binary_cross_entropy, cross_entropy


def check_arrays(case: Any, batch: dict[str, Any], expected: dict[str, tuple[tuple[int, ...], Any]]) -> None:
    """The batch holds tensors of these shapes and types, and nothing else."""
    assert all(isinstance(tensor, case.kit.tensor_type) for tensor in batch.values())
    found = {name: (tuple(tensor.shape), np.asarray(tensor).dtype) for name, tensor in batch.items()}
    assert found == {name: (shape, np.dtype(dtype)) for name, (shape, dtype) in expected.items()}


class SingleLogits(Kind):
    """One logit per row, and a mask (B, 1) of the known targets; rows come in blocks."""

    num_outputs = 1
    metrics = ("accuracy", "loss", "mean_average_precision")
    loss_type = LossType.SIGMOID_CROSS_ENTROPY

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """All float32; neighbours in the store are neighbours in a batch."""
        column = ((batch_size, 1), np.float32)
        check_arrays(case, batch, {"inputs": ((batch_size, 6), np.float32), "targets": column, "weights": column})
        (mean, *_), (deviation, *_) = case.workload.train_mean, case.workload.train_stddev
        times = np.asarray(batch["inputs"])[:, 0] * deviation + mean
        assert np.sum(np.abs(np.diff(times) - 1) > 0.01) <= 2  # between blocks
        assert set(np.unique(batch["weights"])) <= {0.0, 1.0}

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses, which are not smoothed."""
        del integer
        rng = np.random.default_rng(0)
        logits, targets = rng.normal(size=(5, 1)).astype(np.float32), np.array([[1], [0], [0], [1], [1]], np.float32)
        mask = np.array([[1], [0], [1], [1], [0]], np.float32)
        return targets, logits, mask, (binary_cross_entropy(logits, targets, 0.0) * mask)[:, 0]

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """Means over the rows with known targets."""
        from sklearn.metrics import average_precision_score

        known = weights > 0
        assert 0.8 < known.mean() < 1
        return {
            "accuracy": np.mean((logits > 0)[known] == targets[known]),
            "loss": binary_cross_entropy(logits, targets, 0.0)[known].mean(),
            "mean_average_precision": average_precision_score(targets[known], logits[known]),
        }


class Transcripts(Kind):
    """Sequences and tokens of different lengths: pairs of values and paddings."""

    num_outputs = 5
    metrics = ("loss", "token_error_rate")
    loss_type = LossType.CTC_LOSS

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Of every frame the classes, and the padding that `one_array` adds."""
        return (batch_size, 12, self.num_outputs + 1)

    def num_valid(self, targets: Any, mask: np.ndarray) -> float:
        """Tokens of the rows that count."""
        return float(((1 - targets[1]) * mask[:, np.newaxis]).sum())

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """Values are widened; paddings are float32, 1 behind the end."""
        assert batch.keys() == {"inputs", "targets"}
        for name, length, dtype in (("inputs", 96, np.float32), ("targets", 4, case.kit.integer)):
            assert type(batch[name]) is tuple
            named = dict(zip(("values", "paddings"), batch[name], strict=True))
            shape = (batch_size, length)
            check_arrays(case, named, {"values": (shape, dtype), "paddings": (shape, np.float32)})
        (sound, silence), (tokens, behind) = (map(np.asarray, batch[name]) for name in ("inputs", "targets"))
        assert np.abs(sound).max() > 500
        np.testing.assert_array_equal(silence[:, ::24], behind)
        np.testing.assert_array_equal(tokens > 0, behind == 0)
        assert 0.1 < behind.mean() < 0.6

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[Any, ...]:
        """Targets, logits, a mask, and the losses, which are not smoothed."""
        frames, lengths = np.array([7, 5, 6, 3]), np.array([3, 2, 3, 1])
        logits = np.random.default_rng(0).normal(size=(4, 7, 5)).astype(np.float32)
        tokens = np.array([[1, 1, 2], [4, 3, 0], [2, 2, 2], [3, 0, 0]], integer)
        mask = np.array([1, 1, 0, 1], np.float32)
        losses = [alignment_loss(logits[i, : frames[i]], tokens[i, : lengths[i]]) for i in range(4)]
        paddings = [
            (np.arange(length) >= ends[:, np.newaxis]).astype(np.float32)
            for length, ends in ((3, lengths), (7, frames))
        ]
        return (tokens, paddings[0]), (logits, paddings[1]), mask, losses * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The mean loss, and edits per token of the best class of every frame."""
        assert weights.tolist() == [1.0] * len(logits)
        losses, edits, count = [], 0, 0
        for row, target in zip(logits, targets, strict=True):
            frames, tokens = row[row[:, -1] == 0, :-1], target[target[:, -1] == 0, 0].astype(int)
            best = frames.argmax(axis=1)
            collapsed = best[np.append(True, np.diff(best) != 0)]
            losses.append(alignment_loss(frames, tokens))
            edits += num_edits(collapsed[collapsed > 0].tolist(), tokens.tolist())
            count += len(tokens)
        return {"loss": np.mean(losses), "token_error_rate": edits / count}


def alignment_loss(logits: np.ndarray, tokens: np.ndarray) -> float:
    """Negative log-likelihood of tokens (N,) under frames (T, K), in float64; blank is 0.

    From the probabilities of all prefixes: after each frame, of those that end in their last token, or in a blank.
    """
    shifted = logits.astype(np.float64)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    count = len(tokens)
    on_blank, on_token = np.zeros(count + 1), np.zeros(count + 1)
    on_blank[0] = 1.0
    for frame in probabilities:
        total = on_blank + on_token
        following = np.zeros(count + 1)
        for place, token in enumerate(tokens, start=1):
            repeated = place > 1 and tokens[place - 2] == token
            entered = on_blank[place - 1] if repeated else total[place - 1]
            following[place] = frame[token] * (on_token[place] + entered)
        on_blank, on_token = frame[0] * total, following
    return -float(np.log(on_blank[count] + on_token[count]))


def num_edits(found: list[int], expected: list[int]) -> int:
    """Insertions, deletions and replacements, by recursion: either last elements are a pair, or one is left over."""
    if not found or not expected:
        return len(found) + len(expected)
    if found[-1] == expected[-1]:
        return num_edits(found[:-1], expected[:-1])
    shorter = [(found[:-1], expected), (found, expected[:-1]), (found[:-1], expected[:-1])]
    return 1 + min(num_edits(*pair) for pair in shorter)


class Sentences(Kind):
    """One of ten words at each of twelve places, with a mask of the places that count; decoded word by word."""

    num_outputs = 10
    metrics = ("accuracy", "loss", "exact_match", "mean_characters")
    words = ["-", ".", "the", "quick", "fox", "a", "lazy", "did", "some", "sleep"]

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Words at every place."""
        return (batch_size, 12, self.num_outputs)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """Inputs are as narrow as in the store; targets are the next inputs of the same sentence."""
        shape = (batch_size, 12)
        types = {"inputs": np.uint16, "targets": case.kit.integer, "weights": np.float32}
        check_arrays(case, batch, {name: (shape, dtype) for name, dtype in types.items()})
        inputs, targets, weights = (np.asarray(batch[name]) for name in types)
        assert 0.4 < weights.mean() < 0.9
        np.testing.assert_array_equal(targets[:, :-1], (inputs[:, 1:] * weights[:, :-1]).astype(int))
        assert not targets[:, -1].any()
        np.testing.assert_array_equal(weights, inputs > 1)  # neither behind a full stop nor in the rest of a row
        assert (np.sum(inputs == 1, axis=1) > 1).any(), "several sentences in a row"

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses smoothed by 0.1."""
        rng = np.random.default_rng(0)
        logits, targets = rng.normal(size=(4, 12, 10)).astype(np.float32), rng.integers(10, size=(4, 12))
        mask = rng.integers(2, size=(4, 12)).astype(np.float32)
        return targets.astype(integer), logits, mask, token_losses(logits, targets, 0.1) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """Means over the places that count."""
        counted = weights > 0
        accuracy = np.mean(logits.argmax(axis=-1)[counted] == targets[counted])
        return {"accuracy": accuracy, "loss": token_losses(logits, targets, 0.0)[counted].mean()}

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Decoded without a state: all words so far go through the model again for each further word."""
        assert batch["real"].all()
        found = np.zeros_like(batch["inputs"])
        found[:, 0] = batch["inputs"][:, 0]
        for place in range(11):
            logits, _ = case.forward(
                model, case.workload.place({**batch, "inputs": found.copy()}), ForwardPassMode.EVAL
            )
            found[:, place + 1] = logits[:, place].argmax(axis=-1)
        pairs = [(self._text(row), self._text(expected)) for row, expected in zip(found, batch["inputs"], strict=True)]
        return {
            "exact_match": np.mean([text == expected for text, expected in pairs]),
            "mean_characters": np.mean([len(text) for text, _ in pairs]),
        }

    def _text(self, tokens: np.ndarray) -> str:
        words = [self.words[token] for token in tokens]
        return " ".join(words[: words.index(".", 1) + 1] if "." in words[1:] else words)


def token_losses(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> np.ndarray:
    """Token by token, in float64."""
    flat = cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), smoothing)
    return flat.reshape(labels.shape)


class GroupErrors(Kind):
    """Three numbers per row; metrics by group, with names from the store."""

    num_outputs = 3
    metrics = ("loss", "calm_loss", "windy_loss", "stormy_loss", "worst_loss")
    loss_type = LossType.MEAN_ABSOLUTE_ERROR

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """A further field comes along as it is."""
        types = {"inputs": ((batch_size, 5), np.float32), "targets": ((batch_size, 3), np.float32)}
        check_arrays(case, batch, {**types, "groups": ((batch_size,), case.kit.integer)})
        assert set(np.unique(batch["groups"])) <= {0, 1, 2}

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses, which are not smoothed."""
        del integer
        targets, logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
        mask = np.array([1, 0, 1, 1, 0], np.float32)
        return targets, logits, mask, row_errors(logits, targets) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The mean over the rows."""
        assert weights.tolist() == [1.0] * len(logits)
        return {"loss": row_errors(logits, targets).mean()}

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Means over the rows of each group."""
        logits, _ = case.forward(model, case.workload.place(batch), ForwardPassMode.EVAL)
        errors = row_errors(logits, batch["targets"])
        names = {0: "calm", 1: "windy", 2: "stormy"}
        means = {f"{name}_loss": errors[batch["groups"] == group].mean() for group, name in names.items()}
        return {**means, "worst_loss": max(means.values())}


def row_errors(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Row by row, in float64."""
    return np.abs(logits.astype(np.float64) - targets).mean(axis=1)


PROBE_KINDS = {"rows": SingleLogits(), "pairs": Transcripts(), "tokens": Sentences(), "needs_data": GroupErrors()}
