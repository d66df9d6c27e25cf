"""Data of any workload that is generated in memory, in the format of its dataset: no files, no download, no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.batches.graphs import GraphBudget, GraphTable
from algoperf.data.contracts import Batch, OpenDataset, Padded, Shard, Split, TrainingBatches
from algoperf.datasets.ogbg.batches import (
    UNKNOWN_LABEL,
    MoleculeEvaluationBatches,
    Molecules,
    MoleculeTrainingBatches,
)
from algoperf.datasets.ogbg.molecules import draw_molecules
from algoperf.workload.definition import Examples, WorkloadDefinition

_NUM_MOLECULES = 1024
_ATOMS = (0.6, 1.2)  # times the nodes that a batch has room for per graph
TRAIN_EXAMPLES = 1 << 16  # batches are at most as large as the training split


def on_generated_data(definition: WorkloadDefinition, eval_batch_size: int) -> WorkloadDefinition:
    """The same workload on generated data; an evaluation of every split is one batch."""
    size = min(eval_batch_size, definition.eval_rows_per_device or eval_batch_size)
    examples = Examples(
        train=max(size, TRAIN_EXAMPLES), eval_train=size, validation=size, test=definition.examples.test and size
    )
    changes = {
        "dataset": _Generated(definition.dataset.name, definition, examples),
        "examples": examples,
        "eval_batch_size": size,
    }
    return definition.with_fields(changes)


@dataclass(frozen=True)
class _Generated:
    """Stands for the dataset of the definition `like`."""

    name: str
    like: WorkloadDefinition
    examples: Examples

    def __getattr__(self, name: str) -> Any:
        """All other settings, such as the length of a row: those of the real data."""
        return getattr(self.like.dataset, name)

    def example_batch(self) -> Batch:
        """As for the real data."""
        return self.like.example_batch()

    def open(self, data_dir: Path) -> OpenDataset:
        """Generate; `data_dir` is not read."""
        del data_dir
        has_graphs = hasattr(self.like.example_batch()["inputs"], "n_node")
        return (_Graphs if has_graphs else _Arrays)(self.like, self.examples)


class _Numbers:
    """A vocabulary of numbers: random labels are texts that no model guesses, so that no target is reached."""

    def decode(self, ids: Sequence[int]) -> str:
        """The numbers as words."""
        return " ".join(map(str, ids))


class _InMemory:
    """What both kinds of data have in common."""

    hash = "generated"
    tokenizer = _Numbers()

    def __init__(self, definition: WorkloadDefinition, examples: Examples) -> None:
        self.definition = definition
        self._examples = examples

    def num_examples(self, split: Split) -> int:
        """So many are said to be there."""
        found: int = getattr(self._examples, split)
        return found

    def warm(self) -> None:
        """Nothing is stored."""


class _Arrays(_InMemory):
    """Random values in the shapes of the example batch, the same in every batch."""

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """The same batch again and again."""
        del seed
        return _Repeated(random_batch(self.definition, batch_size // shard.count))

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> Sequence[Batch]:
        """One batch."""
        del split, num_examples, seed
        size = batch_size // shard.count
        batch = random_batch(self.definition, size)
        weighted = batch["targets"].shape if self.definition.computed_loss == "tokens" else size
        return [{"weights": np.ones(weighted, np.float32), "real": np.ones(size, bool), **batch}]


class _Repeated(TrainingBatches):
    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, position: int) -> Batch:
        """A copy of the dictionary: placing must not change it."""
        del position
        return dict(self._batch)


def random_batch(definition: WorkloadDefinition, size: int) -> Batch:
    """The example batch with `size` rows: normal numbers, integers below the number of classes, weights of one."""
    rng = np.random.default_rng(0)
    num_classes = definition.dataset.num_classes or 2

    def like(value: Any, name: str) -> Any:
        if isinstance(value, Padded):
            longest = value.values.shape[1]
            # A loss of alignments needs many more inputs than targets.
            low, high = (longest // 2, longest) if name == "inputs" else (1, max(1, longest // 16))
            lengths = rng.integers(low, high, size, endpoint=True)
            return Padded(like(value.values, name), lengths, value.dtype)
        if isinstance(value, tuple):
            parts = [like(part, name) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        shape = (size, *value.shape[1:])
        if name == "weights":
            return np.ones(shape, value.dtype)
        if np.issubdtype(value.dtype, np.integer):
            return rng.integers(0, num_classes, shape).astype(value.dtype)
        return rng.standard_normal(shape, np.float32).astype(value.dtype)

    batch = {name: like(value, name) for name, value in definition.example_batch().items()}
    if num_dense := definition.model.get("num_dense_features"):  # ids of a table are behind the numbers
        ids = batch["inputs"][:, num_dense:]
        ids[:] = rng.integers(0, definition.model["vocab_size"], ids.shape)
    return batch


class _Graphs(_InMemory):
    """Random molecules with random labels, a third of them unknown."""

    def __init__(self, definition: WorkloadDefinition, examples: Examples) -> None:
        super().__init__(definition, examples)
        rng = np.random.default_rng(0)
        low, high = (int(factor * definition.dataset.nodes_per_graph) for factor in _ATOMS)  # type: ignore[attr-defined]
        drawn = draw_molecules(rng, rng.integers(low, high, size=_NUM_MOLECULES, endpoint=True))
        arrays = {"nodes": drawn.atom_features(), "edges": drawn.bond_features(), "ends": drawn.ends.astype(np.uint16)}
        self._table = GraphTable.of(drawn.num_atoms, drawn.num_bonds, arrays)
        num_tasks = definition.example_batch()["targets"].shape[1]
        self._labels = rng.choice(np.array([0, 1, UNKNOWN_LABEL], np.uint8), (_NUM_MOLECULES, num_tasks))

    def _molecules(self, batch_size: int, shard: Shard) -> Molecules:
        size, dataset = batch_size // shard.num_parts, self.definition.dataset
        room = (size * dataset.nodes_per_graph, size * dataset.edges_per_graph)  # type: ignore[attr-defined]
        return Molecules(self._table, self._labels, GraphBudget(size, *room))

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """Shuffled batches of up to `batch_size` graphs."""
        return MoleculeTrainingBatches(self._molecules(batch_size, shard), seed=seed, shard=shard)

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> Sequence[Batch]:
        """The molecules in order, again and again."""
        del split, seed
        rows = np.arange(num_examples) % _NUM_MOLECULES
        return MoleculeEvaluationBatches(self._molecules(batch_size, shard), rows, shard=shard)
