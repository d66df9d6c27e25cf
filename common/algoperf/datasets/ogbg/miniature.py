"""A small stand-in for ogbg-molpcba: the same archive with fewer, generated molecules.

A label depends on structure: a weighted count of atoms and bonds of a few kinds is compared with a threshold. Some
labels are wrong. Whether a label is known also depends on structure: molecules that look active are rarely tested. So
a model that treats missing labels as zeros learns the opposite of the known labels.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.datasets.archives import write_archives, zip_of
from algoperf.datasets.ogbg.molecules import DrawnMolecules, draw_molecules
from algoperf.datasets.ogbg.raw import ARCHIVE, MEMBERS, NUM_TASKS, SPLITS

NUM_GRAPHS = {"train": 4_000, "validation": 500, "test": 500}
_NUM_ATOMS = (6, 18)
_SHARE_ACTIVE = 0.75
_SHARE_POSITIVE = {"active": 0.9, "inactive": 0.2}
_SHARE_KNOWN = {"active": 0.15, "inactive": 0.9}
_MOTIFS_PER_TASK = 3
_NUM_ELEMENTS = 5  # all but the rarest
_COMPRESSION = 1


def write_miniature(raw_dir: Path) -> None:
    """Write the archive. UserError if another file has its name."""
    rng = keyed_generator("ogbg miniature", "molecules")
    num_atoms = rng.integers(*_NUM_ATOMS, size=sum(NUM_GRAPHS.values()), endpoint=True)
    molecules = draw_molecules(rng, num_atoms)
    write_archives(raw_dir, {ARCHIVE.name: archive_of(molecules, draw_labels(molecules), NUM_GRAPHS)})


def draw_labels(molecules: DrawnMolecules) -> np.ndarray:
    """Labels of all tasks, int64 (M, 128): 0, 1, or -1 if unknown."""
    rng = keyed_generator("ogbg miniature", "labels")
    counts = count_motifs(molecules).astype(np.float64)
    scores = (counts - counts.mean(axis=0)) / (counts.std(axis=0) + 1e-9)
    weights = np.zeros((counts.shape[1], NUM_TASKS))
    for task in range(NUM_TASKS):
        chosen = rng.choice(counts.shape[1], _MOTIFS_PER_TASK, replace=False)
        weights[chosen, task] = rng.choice([-1.0, 1.0], _MOTIFS_PER_TASK)
    activity = scores @ weights
    active = activity > np.quantile(activity, 1 - _SHARE_ACTIVE, axis=0)
    positive = rng.random(active.shape) < np.where(active, _SHARE_POSITIVE["active"], _SHARE_POSITIVE["inactive"])
    known = rng.random(active.shape) < np.where(active, _SHARE_KNOWN["active"], _SHARE_KNOWN["inactive"])
    return np.where(known, positive, -1)


def count_motifs(molecules: DrawnMolecules) -> np.ndarray:
    """Count each motif in each molecule, int64 (M, K): an element, or a bond of some order, in or out of rings."""
    graphs = np.arange(len(molecules.num_atoms))
    kinds_of_bonds = (molecules.orders == 1, molecules.orders > 1, molecules.in_ring, ~molecules.in_ring)
    graph_of_atom, graph_of_bond = np.repeat(graphs, molecules.num_atoms), np.repeat(graphs, molecules.num_bonds)
    found = [graph_of_atom[molecules.elements == kind] for kind in range(_NUM_ELEMENTS)]
    found += [graph_of_bond[kind] for kind in kinds_of_bonds]
    return np.stack([np.bincount(numbers, minlength=len(graphs)) for numbers in found], axis=1)


def archive_of(molecules: DrawnMolecules, labels: np.ndarray, num_graphs: dict[str, int]) -> bytes:
    """Make the archive of these molecules, assigned to the splits in shuffled order."""
    order = keyed_generator("ogbg miniature", "splits").permutation(len(labels))
    bounds = np.cumsum([0, *num_graphs.values()])
    tables = {
        "num_nodes": molecules.num_atoms[:, np.newaxis], "num_edges": molecules.num_bonds[:, np.newaxis],
        "nodes": molecules.atom_features(), "edges": molecules.bond_features(), "ends": molecules.ends,
    }  # fmt: skip
    members = {MEMBERS[name].path: _text(table) for name, table in tables.items()}
    members[MEMBERS["labels"].path] = _text(labels, ("0.0", "1.0", ""))  # as pandas writes missing values
    for split, first, last in zip(num_graphs, bounds[:-1], bounds[1:], strict=True):
        members[SPLITS[split].path] = _text(order[first:last, np.newaxis])
    return zip_of({name: gzip.compress(text, _COMPRESSION, mtime=0) for name, text in members.items()})


def _text(table: np.ndarray, words: tuple[str, ...] | None = None) -> bytes:
    """Comma-separated text: the numbers, or the words that they index."""
    rows: Iterable[list[int]] = table.tolist()
    if words is None:
        return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
    return "".join(",".join([words[value] for value in row]) + "\n" for row in rows).encode()
