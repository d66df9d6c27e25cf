"""Batches of molecules: chooses their graphs, and adds labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import StoredDataset, part_size, stored_split
from algoperf.data.batches.graphs import GraphBudget, GraphTable, pack
from algoperf.data.batches.order import Shuffled
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, Shard, Split, TrainingBatches
from algoperf.data.store.store import Store
from algoperf.errors import UserError

UNKNOWN_LABEL = 255  # marks an unknown label in the store


class Molecules:
    """One split: makes padded batches from graphs and labels.

    Args:
      table: the graphs.
      labels: uint8 (N, T): 0, 1, or UNKNOWN_LABEL.
      budget: of one device's part of a batch.
    """

    def __init__(self, table: GraphTable, labels: np.ndarray, budget: GraphBudget) -> None:
        self.table, self.labels, self.budget = table, labels, budget
        self.num_nodes, self.num_edges = table.num_nodes, table.num_edges

    def __len__(self) -> int:
        return len(self.labels)

    def pack(self, rows: np.ndarray, num_parts: int) -> np.ndarray:
        """Boundaries of the parts that the graphs `rows` fill; see `graphs.pack`."""
        return pack(self.num_nodes[rows], self.num_edges[rows], self.budget, num_parts)

    def batch(self, parts: Sequence[np.ndarray]) -> Batch:
        """`inputs`, and `targets` and `weights` float32 (G, T); both are 0 for missing labels and padding."""
        slots = self.budget.graph_slots
        targets = np.zeros((len(parts) * slots, self.labels.shape[1]), np.float32)
        weights = np.zeros_like(targets)
        for number, rows in enumerate(parts):
            labels, place = self.labels[rows], slice(number * slots, number * slots + len(rows))
            targets[place] = labels == 1
            weights[place] = labels != UNKNOWN_LABEL
        return {"inputs": self.table.batch(parts, self.budget), "targets": targets, "weights": weights}


class MoleculeTrainingBatches(TrainingBatches):
    """Shuffled, endless training batches. A position counts graphs, because their number per batch varies."""

    def __init__(self, molecules: Molecules, *, seed: int, shard: Shard) -> None:
        self._molecules, self._shard = molecules, shard
        self._order = Shuffled(len(molecules), seed)
        self._latest: tuple[int, np.ndarray, np.ndarray] | None = None

    def batch(self, position: int) -> Batch:
        """This process's part of the global batch that begins with graph `position` of the stream."""
        rows, boundaries = self._plan(position)
        return self._molecules.batch(_parts(rows, boundaries, self._shard.parts))

    def after(self, position: int) -> int:
        """The position of the next batch: the first graph that did not fit."""
        return position + int(self._plan(position)[1][-1])

    def prepare(self, position: int) -> None:
        """Make the order of this epoch and the next one."""
        self._order.prepare(position)

    def _plan(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the next graphs, and the boundaries of all devices' parts."""
        if self._latest is None or self._latest[0] != position:
            num_parts = self._shard.num_parts
            rows = self._order.indices(position, num_parts * self._molecules.budget.num_graphs)
            self._latest = position, rows, self._molecules.pack(rows, num_parts)
        return self._latest[1:]


class MoleculeEvaluationBatches(BatchSequence):
    """Each of the graphs `rows` once, in order. All shards have equally many batches; the last may be only padding."""

    def __init__(self, molecules: Molecules, rows: np.ndarray, *, shard: Shard) -> None:
        self._molecules, self._rows, self._shard = molecules, rows, shard
        boundaries = molecules.pack(rows, len(rows))
        num_parts = int(np.searchsorted(boundaries, len(rows)))
        self._num_batches = -(-num_parts // shard.num_parts)
        self._boundaries = boundaries[: 1 + self._num_batches * shard.num_parts]
        missing = 1 + self._num_batches * shard.num_parts - len(self._boundaries)
        self._boundaries = np.concatenate([self._boundaries, np.full(missing, len(rows))])

    def __len__(self) -> int:
        return self._num_batches

    def _batch(self, number: int) -> Batch:
        first = number * self._shard.num_parts
        own = range(first + self._shard.parts.start, first + self._shard.parts.stop)
        parts = _parts(self._rows, self._boundaries, own)
        slots = self._molecules.budget.graph_slots
        real = np.concatenate([np.arange(slots) < len(rows) for rows in parts])
        return {**self._molecules.batch(parts), "real": real}


def _parts(rows: np.ndarray, boundaries: np.ndarray, numbers: range) -> list[np.ndarray]:
    return [rows[boundaries[number] : boundaries[number + 1]] for number in numbers]


class OpenMolecules(StoredDataset):
    """The store of molecules. Batches cost about a microsecond per graph, so this process makes them itself."""

    def __init__(self, directory: Path, dataset: str, nodes_per_graph: int, edges_per_graph: int) -> None:
        super().__init__(Store.open(directory, dataset=dataset))
        self._nodes_per_graph, self._edges_per_graph = nodes_per_graph, edges_per_graph

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> MoleculeTrainingBatches:
        """Shuffled training batches of up to `batch_size` graphs."""
        return MoleculeTrainingBatches(self.molecules("train", batch_size, shard), seed=seed, shard=shard)

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> MoleculeEvaluationBatches:
        """The first `num_examples` of the split, or a sample of the training split for `eval_train`."""
        rows = np.asarray(self._evaluated(split, num_examples, seed))
        return MoleculeEvaluationBatches(self.molecules(stored_split(split), batch_size, shard), rows, shard=shard)

    def molecules(self, split: str, batch_size: int, shard: Shard) -> Molecules:
        """A split of the store for batches of up to `batch_size` graphs; UserError if that is impossible."""
        graphs, nodes, edges = (self._store.split(name) for name in (split, f"{split}_nodes", f"{split}_edges"))
        table = GraphTable.of(
            graphs["num_nodes"], graphs["num_edges"],
            {"nodes": nodes["features"], "edges": edges["features"], "ends": edges["ends"]},
        )  # fmt: skip
        molecules = Molecules(table, np.asarray(graphs["labels"]), self._budget(batch_size, shard))
        self._check_largest(molecules, shard)
        return molecules

    def _budget(self, batch_size: int, shard: Shard) -> GraphBudget:
        size = part_size(batch_size, shard.num_parts, "devices")
        return GraphBudget(size, self._nodes_per_graph * size, self._edges_per_graph * size)

    def _check_largest(self, molecules: Molecules, shard: Shard) -> None:
        """UserError if the batch size has no room for the largest graph. Checked before training needs it."""
        nodes, edges, budget = int(molecules.num_nodes.max()), int(molecules.num_edges.max()), molecules.budget
        needed = max(-(-nodes // self._nodes_per_graph), -(-edges // self._edges_per_graph))
        if budget.num_graphs < needed:
            raise UserError(
                f"A batch size of {budget.num_graphs * shard.num_parts} on {shard.num_parts} devices has room for "
                f"{budget.num_nodes} nodes and {budget.num_edges} edges per device, but graphs have up to {nodes} "
                f"nodes and {edges} edges. Choose a batch size of at least {needed * shard.num_parts}."
            )
