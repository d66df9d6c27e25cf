"""What the contract tests need to know about kinds of tasks: batch shapes, losses, and explicit metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.data.contracts import Padded
from algoperf.spec import ForwardPassMode, LossType
from similarity import similarity


def arrays(value: Any) -> list[np.ndarray]:
    """All arrays of nested tuples and dictionaries of tensors, as numpy."""
    if isinstance(value, Padded):
        value = (value.values, value.lengths)
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for part in value for leaf in arrays(part)] if isinstance(value, tuple) else [np.asarray(value)]


def one_array(value: Any) -> np.ndarray:
    """Tensors as float32. Of rows of different lengths, the paddings are behind the values, along the last axis."""
    if isinstance(value, Padded):
        value = (value.values, np.arange(value.values.shape[1]) >= value.lengths[:, np.newaxis])
    if isinstance(value, tuple):
        values, paddings = map(one_array, value)
        return np.concatenate([values.reshape(*paddings.shape, -1), paddings[..., np.newaxis]], axis=-1)
    return value if isinstance(value, np.ndarray) else np.array(value.tolist(), np.float32)


class Kind:
    """What kinds have in common, where they do not say otherwise."""

    num_outputs: int
    loss_type = LossType.SOFTMAX_CROSS_ENTROPY  # as published, also where another loss is computed

    def num_rows(self, batch_size: int) -> int:
        """Rows of a batch on one device."""
        return batch_size

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """Shape of the logits of a batch on one device."""
        return (self.num_rows(batch_size), self.num_outputs)

    def num_valid(self, targets: Any, mask: np.ndarray) -> float:
        """What `n_valid_examples` counts."""
        del targets
        return float(mask.sum())

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Metrics that do not follow from the logits of the whole split, which is this batch."""
        del case, model, batch
        return {}


class Classification(Kind):
    """One of ten classes per example; inputs are single arrays."""

    num_outputs = 10
    metrics = ("accuracy", "loss")

    def __init__(self, *, mixed: bool = False) -> None:
        self.mixed = mixed  # whether training targets are mixtures of classes

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """NHWC and int32 in JAX; NCHW, int64 and, if published batches have one, an all-true mask in PyTorch."""
        definition = case.workload.definition
        assert isinstance(batch["inputs"], case.kit.tensor_type)
        inputs, targets = np.asarray(batch["inputs"]), np.asarray(batch["targets"])
        example = definition.example_batch()
        shape = (batch_size, *example["inputs"].shape[1:])
        if case.framework == "pytorch":
            shape = (shape[0], shape[3], *shape[1:3])
        assert (inputs.shape, inputs.dtype) == (shape, example["inputs"].dtype)
        if self.mixed:
            assert (targets.shape, targets.dtype) == ((batch_size, self.num_outputs), np.float32)
            np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)
        else:
            assert (targets.shape, targets.dtype) == ((batch_size,), case.kit.integer)
        assert np.asarray(case.eval_batch()["targets"]).dtype == case.kit.integer
        if case.framework == "pytorch" and case.workload._has_train_weights:
            assert np.asarray(batch["weights"]).tolist() == [True] * batch_size
        else:
            assert "weights" not in batch

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses smoothed by 0.1."""
        rng = np.random.default_rng(0)
        logits, targets = rng.normal(size=(5, 10)).astype(np.float32), rng.integers(10, size=5)
        mask = np.array([1, 0, 1, 1, 0], np.float32)
        return targets.astype(integer), logits, mask, cross_entropy(logits, targets, 0.1) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The metrics as means over the rows."""
        del weights
        accuracy = np.mean(logits.argmax(axis=1) == targets)
        return {"accuracy": accuracy, "loss": cross_entropy(logits, targets, 0.0).mean()}


class MultiLabelGraphs(Kind):
    """Up to 128 labels per graph; inputs are graph tuples of one size."""

    num_outputs = 128
    metrics = ("accuracy", "loss", "mean_average_precision")

    def num_rows(self, batch_size: int) -> int:
        """Rows of a batch on one device: the graphs, and one padding graph."""
        return batch_size + 1

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """Indices are int32 in JAX and int64 in PyTorch; the mask is float32 in JAX and bool in PyTorch."""
        dataset, integer = case.workload.definition.dataset, case.kit.integer
        num_nodes, num_edges = dataset.nodes_per_graph * batch_size + 1, dataset.edges_per_graph * batch_size
        graph, rows = batch["inputs"], self.num_rows(batch_size)
        assert isinstance(graph, GraphsTuple)
        assert graph._fields == ("nodes", "edges", "receivers", "senders", "globals", "n_node", "n_edge")
        assert graph.globals == {}
        tensors = [part for part in graph if part is not graph.globals]
        assert all(isinstance(tensor, case.kit.tensor_type) for tensor in tensors)
        assert [(np.asarray(tensor).shape, np.asarray(tensor).dtype) for tensor in tensors] == [
            ((num_nodes, 9), np.float32), ((num_edges, 3), np.float32), *[((num_edges,), integer)] * 2,
            *[((rows,), integer)] * 2,
        ]  # fmt: skip
        assert (int(graph.n_node.sum()), int(graph.n_edge.sum())) == (num_nodes, num_edges)
        targets, weights = np.asarray(batch["targets"]), np.asarray(batch["weights"])
        assert (targets.shape, targets.dtype) == ((rows, self.num_outputs), np.float32)
        mask_type = np.bool_ if case.framework == "pytorch" else np.float32
        assert (weights.shape, weights.dtype) == ((rows, self.num_outputs), mask_type)
        assert not targets[weights == 0].any()
        assert 0.2 < weights.mean() < 0.5  # about a third of the labels are known

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses smoothed by 0.1."""
        del integer  # these labels are floating point numbers
        rng, shape = np.random.default_rng(0), (4, self.num_outputs)
        logits = rng.normal(size=shape, scale=30).astype(np.float32)
        targets, mask = (rng.integers(2, size=shape).astype(np.float32) for _ in range(2))
        return targets, logits, mask, binary_cross_entropy(logits, targets, 0.1) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """Means over known labels, and over tasks with both labels."""
        from sklearn.metrics import average_precision_score

        known = weights > 0
        losses = binary_cross_entropy(logits, targets, 0.0)
        scores = [
            average_precision_score(label[mask], score[mask])
            for label, score, mask in zip(targets.T, 1 / (1 + np.exp(-logits.T)), known.T, strict=True)
            if 0 < label.sum() < len(label)
        ]
        return {
            "accuracy": np.mean((logits > 0)[known] == targets[known]),
            "loss": losses[known].mean(),
            "mean_average_precision": float(np.mean(scores)),
        }


class Reconstruction(Kind):
    """Pictures from pictures of the same size; the metric needs the numbers that they were normalised with."""

    metrics = ("ssim", "loss")
    loss_type = LossType.MEAN_ABSOLUTE_ERROR
    _side = 48

    def logits_shape(self, batch_size: int) -> tuple[int, ...]:
        """One picture per row, without an axis of channels."""
        return (batch_size, self._side, self._side)

    def check_training_batch(self, case: Any, batch: dict[str, Any], batch_size: int) -> None:
        """Published names, in their order; no mask."""
        pictures, numbers = (batch_size, self._side, self._side), (batch_size,)
        assert all(isinstance(tensor, case.kit.tensor_type) for tensor in batch.values())
        assert {name: (tuple(tensor.shape), np.asarray(tensor).dtype) for name, tensor in batch.items()} == {
            "inputs": (pictures, np.float32),
            "mean": (numbers, np.float32),
            "std": (numbers, np.float32),
            "targets": (pictures, np.float32),
            "volume_max": (numbers, np.float32),
        }
        inputs = np.asarray(batch["inputs"])
        np.testing.assert_allclose(inputs.mean(axis=(1, 2)), 0, atol=0.01)  # few values are clipped
        assert np.abs(inputs).max() <= 6

    def loss_example(self, integer: type[np.integer[Any]]) -> tuple[np.ndarray, ...]:
        """Targets, logits, a mask, and the losses, which are not smoothed."""
        del integer
        targets, logits = np.random.default_rng(0).normal(size=(2, 5, 8, 8)).astype(np.float32)
        mask = np.array([1, 0, 1, 1, 0], np.float32)
        return targets, logits, mask, np.abs(logits - targets).mean(axis=(1, 2)) * mask

    def expected_metrics(self, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """The loss as mean over the rows."""
        del weights
        return {"loss": float(np.abs(logits - targets).mean(dtype=np.float64))}

    def further_metrics(self, case: Any, model: Any, batch: dict[str, Any]) -> dict[str, float]:
        """Structural similarity in the units of the measurement."""
        logits, _ = case.forward(model, case.workload.place(batch), ForwardPassMode.EVAL)
        values = [
            similarity(logit * std + mean, target * std + mean, maximum)
            for logit, target, mean, std, maximum in zip(
                logits, *(batch[name] for name in ("targets", "mean", "std", "volume_max")), strict=True
            )
        ]
        return {"ssim": float(np.mean(values))}


def cross_entropy(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> np.ndarray:
    """Row by row, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    smoothed = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    return -(smoothed * log_probabilities).sum(axis=1)


def binary_cross_entropy(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> np.ndarray:
    """Label by label, in float64; smoothed towards one over the number of labels."""
    logits = logits.astype(np.float64)
    smoothed = (1 - smoothing) * labels + smoothing / logits.shape[1]
    return smoothed * np.logaddexp(0, -logits) + (1 - smoothed) * np.logaddexp(0, logits)
