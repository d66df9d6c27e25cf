"""How fast one core makes batches of molecules and computes mean average precision, each compared with a plain loop.

The molecules are generated at the start, with as many atoms and bonds as real ones. Times are CPU times, so other load
hardly matters; the methods alternate within one run.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import common
import numpy as np
import sklearn.metrics

from algoperf.data.batches.graphs import GraphTable
from algoperf.data.contracts import Shard
from algoperf.data.store.store import create_store
from algoperf.datasets.ogbg.batches import MISSING, Molecules
from algoperf.datasets.ogbg.dataset import MOLPCBA, append_graphs
from algoperf.datasets.ogbg.molecules import draw_molecules
from algoperf.datasets.ogbg.raw import RawMolecules
from algoperf.metrics.average_precision import mean_average_precision

BATCH_SIZE = 512
NUM_VALIDATION, NUM_TASKS = 43_793, 128


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    parser.add_argument("--graphs", type=int, default=30_000, help="how many molecules are made")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    num_graphs, rounds = (2_000, 3) if arguments.quick else (arguments.graphs, 7)
    with tempfile.TemporaryDirectory() as folder:
        _write_store(Path(folder, "store"), num_graphs)
        dataset = MOLPCBA.open(Path(folder, "store"))
        molecules = dataset.molecules("train", BATCH_SIZE, Shard())
        means = f"{molecules.num_nodes.mean():.1f} nodes and {molecules.num_edges.mean():.1f} directed edges"
        rows = _compare(dataset, molecules, rounds)
    common.report(f"Batches of {BATCH_SIZE} of {num_graphs:,} molecules, {means} on average", rows, arguments.json)
    common.report("Mean average precision of a split", _metric(2 if arguments.quick else 5, arguments.quick), None)


def _write_store(directory: Path, num_graphs: int) -> None:
    rng = np.random.default_rng(0)
    drawn = draw_molecules(rng, rng.normal(26, 6, num_graphs).round().astype(int).clip(4, 60))
    arrays = {
        "nodes": drawn.atom_features(), "edges": drawn.bond_features(), "ends": drawn.ends.astype(np.uint16),
    }  # fmt: skip
    labels = rng.choice(np.array([0, 1, MISSING], np.uint8), (num_graphs, NUM_TASKS), p=[0.6, 0.02, 0.38])
    table = GraphTable.of(drawn.num_atoms, drawn.num_bonds, arrays)
    raw = RawMolecules(table, labels, {})
    with create_store(directory, dataset=MOLPCBA.name) as writer:
        for split in ("train", "validation", "test"):
            append_graphs(writer, split, raw, np.arange(num_graphs if split == "train" else 100))


def _compare(dataset: Any, molecules: Molecules, rounds: int) -> list[dict[str, Any]]:
    ways: dict[str, Callable[[], Iterator[int]]] = {
        "a loop over graphs, numpy per graph": lambda: _looping(molecules),
        "here": lambda: _here(dataset),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            streams = way()
            next(streams)
            begin, done = time.process_time(), 0
            while done < 5 * BATCH_SIZE:
                done += next(streams)
            seconds[name].append((time.process_time() - begin) / done)
    slowest, *_ = (statistics.median(values) for values in seconds.values())
    return [
        {
            "way": name,
            "microseconds / graph": statistics.median(values) * 1e6,
            "graphs / s": round(1 / statistics.median(values)),
            "rate / loop's": slowest / statistics.median(values),
        }
        for name, values in seconds.items()
    ]


def _here(dataset: Any) -> Iterator[int]:
    batches, position = dataset.training(seed=0, batch_size=BATCH_SIZE, shard=Shard()), 0
    while True:
        batches.batch(position)
        following = batches.after(position)
        yield following - position
        position = following


def _looping(molecules: Molecules) -> Iterator[int]:
    """Make separate arrays per graph, then concatenate them, as most graph libraries do, but without tensors."""
    order, budget = iter(np.random.default_rng(0).permutation(len(molecules)).tolist()), molecules.budget
    table, graphs, nodes, edges = molecules.table, [], 0, 0
    while True:
        number = next(order, None)
        if number is None:
            order = iter(np.random.default_rng(0).permutation(len(molecules)).tolist())
            continue
        graph = _one_graph(table, molecules.labels, number)
        full = len(graphs) == budget.num_graphs or nodes + len(graph[0]) > budget.num_nodes
        if full or edges + len(graph[1]) > budget.num_edges:
            _joined(graphs, budget.node_slots - nodes, budget.num_edges - edges, budget.graph_slots)
            yield len(graphs)
            graphs, nodes, edges = [], 0, 0
        graphs.append(graph)
        nodes, edges = nodes + len(graph[0]), edges + len(graph[1])


def _one_graph(table: GraphTable, labels: np.ndarray, number: int) -> tuple[np.ndarray, ...]:
    nodes = table.nodes[table.node_starts[number] : table.node_starts[number + 1]].astype(np.float32)
    stored = slice(table.edge_starts[number], table.edge_starts[number + 1])
    features, ends = table.edges[stored].astype(np.float32), table.ends[stored].astype(np.int32)
    senders, receivers = (np.concatenate([ends[:, side], ends[:, 1 - side]]) for side in (0, 1))
    label = np.where(labels[number] == MISSING, np.nan, labels[number]).astype(np.float32)
    return nodes, np.concatenate([features, features]), senders, receivers, label


def _joined(graphs: list[tuple[np.ndarray, ...]], spare_nodes: int, spare_edges: int, slots: int) -> tuple[Any, ...]:
    offsets = np.cumsum([0] + [len(graph[0]) for graph in graphs])
    nodes = np.concatenate([graph[0] for graph in graphs] + [np.zeros((spare_nodes, 9), np.float32)])
    edges = np.concatenate([graph[1] for graph in graphs] + [np.zeros((spare_edges, 3), np.float32)])
    padding = np.full(spare_edges, offsets[-1], np.int32)
    ends = [
        np.concatenate([graph[column] + offset for graph, offset in zip(graphs, offsets, strict=False)] + [padding])
        for column in (2, 3)
    ]
    labels = np.full((slots, NUM_TASKS), np.nan, np.float32)
    labels[: len(graphs)] = [graph[4] for graph in graphs]
    sizes = [np.array([len(graph[column]) for graph in graphs]) for column in (0, 1)]
    return nodes, edges, ends, sizes, np.nan_to_num(labels), ~np.isnan(labels)


def _metric(rounds: int, quick: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    shape = (NUM_VALIDATION // 10 if quick else NUM_VALIDATION, NUM_TASKS)
    logits = rng.normal(size=shape, scale=3).astype(np.float32)
    mask = (rng.random(shape) < 0.62).astype(np.float32)
    labels = (rng.random(shape) < 0.014).astype(np.float32) * mask

    def by_loop() -> float:
        scores, known = 1 / (1 + np.exp(-logits)), mask > 0
        precision = sklearn.metrics.average_precision_score
        return float(np.mean([precision(labels[known[:, t], t], scores[known[:, t], t]) for t in range(NUM_TASKS)]))

    ways = {
        "a loop over scikit-learn's average_precision_score": by_loop,
        "here": lambda: mean_average_precision(logits, labels, mask),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.process_time()
            values[name] = way()
            seconds[name].append(time.process_time() - begin)
    return [
        {"way": name, "graphs": shape[0], "CPU s": statistics.median(seconds[name]), "value": f"{values[name]:.12f}"}
        for name in ways
    ]


if __name__ == "__main__":
    main()
