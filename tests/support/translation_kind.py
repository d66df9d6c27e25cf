"""What the contract tests need to know about translation; see `contract_kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np

from algoperf.metrics.translation import bleu
from algoperf.workload import registry
from contract_kinds import Kind
from probe_kinds import check_arrays, token_losses

SIDES = ("inputs", "targets")


class Translation(Kind):
    """Pairs of sentences, packed in training; decoded sentences are compared as texts."""

    metrics = ("accuracy", "loss", "bleu")

    def __init__(self, num_tokens: int, vocab_size: int) -> None:
        self.num_tokens, self.num_outputs = num_tokens, vocab_size

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Tokens at every place."""
        return (batch_size, self.num_tokens, self.num_outputs)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """As published: seven arrays of integers; positions begin anew in every sentence, segments count them."""
        names = [f"{side}{suffix}" for side in SIDES for suffix in ("", "_position", "_segmentation")]
        shape = (batch_size, self.num_tokens)
        check_arrays(case, batch, dict.fromkeys([*names, "weights"], (shape, case.kit.integer)))
        for side in SIDES:
            tokens, positions, segments = (np.asarray(batch[name]) for name in names if name.startswith(side))
            assert (tokens > 0).mean() > 0.4
            assert not positions[tokens == 0].any()
            np.testing.assert_array_equal(tokens > 0, segments > 0)
            ends = tokens == 2
            np.testing.assert_array_equal(ends.sum(axis=1), segments.max(axis=1))
            begins = np.roll(ends, 1, axis=1) & (tokens > 0)
            assert not positions[begins].any()
            np.testing.assert_array_equal((np.diff(positions, axis=1) == 1) | begins[:, 1:], tokens[:, 1:] > 0)
        counts = [np.asarray(batch[f"{side}_segmentation"]).max(axis=1) for side in SIDES]
        np.testing.assert_array_equal(*counts)
        assert counts[0].max() > 1, "several sentences in a row"
        np.testing.assert_array_equal(np.asarray(batch["weights"]), np.asarray(batch["targets"]) > 0)

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses smoothed by 0.1."""
        rng = np.random.default_rng(0)
        shape = (3, self.num_tokens)
        logits = rng.normal(size=(*shape, self.num_outputs)).astype(np.float32)
        targets, mask = rng.integers(self.num_outputs, size=shape), rng.integers(2, size=shape).astype(np.float32)
        return targets.astype(integer), logits, mask, token_losses(logits, targets, 0.1) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """Means over the tokens."""
        counted = weights > 0
        accuracy = np.mean(logits.argmax(axis=-1)[counted] == targets[counted])
        return {"accuracy": accuracy, "loss": token_losses(logits, targets, 0.0)[counted].mean()}

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Translated in another order, and all at once."""
        assert batch["real"].all()
        order = np.random.default_rng(0).permutation(len(batch["real"]))
        shuffled = case.workload.place({name: array[order] for name, array in batch.items()})
        evaluate = registry.model_module(case.workload.definition, case.framework).evaluate
        if case.framework == "jax":
            module = case.workload._module
            outputs = case.kit.jax.jit(lambda params, batch: evaluate(module, params, None, batch, None))(
                model[0], shuffled
            )
        else:
            with case.kit.torch.no_grad():
                outputs = evaluate(model[0].eval(), None, None, shuffled, None)
        decode = case.opened.data.dataset.tokenizer.decode
        texts = [[decode(whole(row)) for row in rows] for rows in (outputs["translations"], shuffled["targets"])]
        return {"bleu": bleu(*texts)}


def whole(row: Any) -> list[int]:
    """The tokens up to the end; one if there is no end."""
    tokens = np.asarray(row).tolist()
    return tokens[: tokens.index(2) + 1] if 2 in tokens else tokens[:1]
