"""ogbg-molpcba: 437,929 molecules with the outcome of up to 128 biological assays (Hu et al., 2020).

Atoms are nodes with nine features, bonds are edges with three, all of them codes of categories. Labels are 0, 1 or
missing. Splits are those of the Open Graph Benchmark, by scaffold: `train` (350,343), `validation` (43,793) and `test`
(43,793), in the order of its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.data.contracts import Batch
from algoperf.data.store.store import StoreWriter, create_store, store_exists
from algoperf.data.transfer.download import download
from algoperf.datasets.ogbg.batches import OpenMolecules
from algoperf.datasets.ogbg.miniature import write_miniature
from algoperf.datasets.ogbg.raw import ARCHIVE, EDGE_FEATURES, NODE_FEATURES, NUM_TASKS, RawMolecules, read_archive

_GRAPHS_AT_A_TIME = 1 << 15


@dataclass(frozen=True)
class MolPcba:
    """ogbg-molpcba as a dataset; its miniature has 4,000, 500 and 500 molecules.

    Raw files and store do not depend on the settings.

    Attributes:
      nodes_per_graph, edges_per_graph: room in a batch per graph, see `OpenMolecules`; edges are directed. The
        published values, close to the means.
    """

    nodes_per_graph: int = 26
    edges_per_graph: int = 56
    name: str = "ogbg_molpcba"

    @property
    def input_stats(self) -> None:
        """Features are not normalised."""
        return None

    @property
    def num_classes(self) -> None:
        """Each label is a question of its own."""
        return None

    def example_batch(self) -> Batch:
        """One graph of one node and one edge, and its labels."""
        one, zero = np.ones(1, np.int32), np.zeros(1, np.int32)
        nodes, edges = np.ones((1, NODE_FEATURES), np.float32), np.ones((1, EDGE_FEATURES), np.float32)
        labels = np.zeros((1, NUM_TASKS), np.float32)
        graph = GraphsTuple(nodes, edges, receivers=zero, senders=zero, globals={}, n_node=one, n_edge=one)
        return {"inputs": graph, "targets": labels, "weights": labels + 1}

    def download(self, raw_dir: Path) -> None:
        """Fetch the archive, 39.5 MB."""
        download([ARCHIVE], raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write an archive of the same name and layout, full of generated molecules."""
        write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store.

        A split holds the sizes and labels of its graphs. Nodes and edges are separate tables, because they have other
        numbers of rows: `train` has `num_nodes`, `num_edges` and `labels`, `train_nodes` has `features`, and
        `train_edges` has `features` and `ends`.
        """
        if store_exists(data_dir):
            return
        raw = read_archive(raw_dir / ARCHIVE.name)
        with create_store(data_dir, dataset=self.name) as writer:
            for split, numbers in raw.splits.items():
                for first in range(0, len(numbers), _GRAPHS_AT_A_TIME):
                    append_graphs(writer, split, raw, numbers[first : first + _GRAPHS_AT_A_TIME])

    def open(self, data_dir: Path) -> OpenMolecules:
        """Batches of a `GraphsTuple` of `inputs`, and `targets` and `weights` float32 (G, 128)."""
        return OpenMolecules(data_dir, self.name, self.nodes_per_graph, self.edges_per_graph)


def append_graphs(writer: StoreWriter, split: str, raw: RawMolecules, numbers: np.ndarray) -> None:
    """Add graphs to the store."""
    num_nodes, num_edges, arrays = raw.table.take(numbers)
    sizes = {"num_nodes": num_nodes.astype(np.uint16), "num_edges": num_edges.astype(np.uint16)}
    writer.append(split, {**sizes, "labels": raw.labels[numbers]})
    writer.append(f"{split}_nodes", {"features": arrays["nodes"]})
    writer.append(f"{split}_edges", {"features": arrays["edges"], "ends": arrays["ends"]})


MOLPCBA = MolPcba()
