"""What the contract tests need to know about clicks; see `contract_kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np

from contract_kinds import binary_cross_entropy
from probe_kinds import SingleLogits, check_arrays


class Clicks(SingleLogits):
    """One logit per line: numbers, and behind them bucket ids, tell whether it was clicked."""

    metrics = ("loss",)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """All float32, without a mask; ids are whole numbers."""
        check_arrays(case, batch, {"inputs": ((batch_size, 39), np.float32), "targets": ((batch_size, 1), np.float32)})
        inputs = np.asarray(batch["inputs"])
        assert (inputs >= 0).all()
        assert (inputs[:, 13:] == np.floor(inputs[:, 13:])).all()
        assert inputs[:, :13].max() < 20 < inputs[:, 13:].max()
        assert set(np.unique(batch["targets"])) == {0.0, 1.0}
        assert tuple(case.eval_batch()["weights"].shape) == (batch_size, 1)

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The mean over all lines."""
        assert weights.all()
        return {"loss": binary_cross_entropy(logits, targets, 0.0).mean()}
