"""What the contract tests need to know about the probe workloads in `cubes`; see `contract_kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np

from algoperf.spec import LossType
from contract_kinds import Kind, binary_cross_entropy


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


PROBE_KINDS = {"rows": SingleLogits()}
