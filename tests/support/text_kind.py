"""What the contract tests need to know about language models; see `contract_kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np

from contract_kinds import Kind
from probe_kinds import check_arrays, token_losses


class Text(Kind):
    """Sequences of tokens, and at every place the next token."""

    metrics = ("loss", "ppl")

    def __init__(self, length: int, vocab_size: int) -> None:
        self.length, self.vocab_size = length, vocab_size

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Tokens at every place."""
        return (batch_size, self.length, self.vocab_size)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """No mask; targets are the inputs one place on, and one token more."""
        shape = ((batch_size, self.length), case.kit.integer)
        check_arrays(case, batch, {"inputs": shape, "targets": shape})
        inputs, targets = np.asarray(batch["inputs"]), np.asarray(batch["targets"])
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
        assert len(np.unique(targets)) > 50
        assert targets.max() == self.vocab_size - 1, "the end of a text"

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses smoothed by 0.1."""
        rng = np.random.default_rng(0)
        logits, targets = rng.normal(size=(4, 12, 30), scale=5).astype(np.float32), rng.integers(30, size=(4, 12))
        mask = rng.integers(2, size=(4, 12)).astype(np.float32)
        return targets.astype(integer), logits, mask, token_losses(logits, targets, 0.1) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The mean over all tokens, and what it is the logarithm of."""
        assert weights.tolist() == [1.0] * len(logits)
        loss = token_losses(logits, targets.astype(int), 0.0).mean()
        return {"loss": loss, "ppl": np.exp(loss)}
