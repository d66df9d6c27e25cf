"""The raw archive of ogbg-molpcba: its files and their checks.

All files are text without header, compressed with gzip, inside a zip. Nodes and edges of all graphs are concatenated;
two more files give their number per graph.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.batches.graphs import GraphTable
from algoperf.data.transfer.download import RemoteFile
from algoperf.data.transfer.progress import byte_progress
from algoperf.datasets.ogbg.batches import UNKNOWN_LABEL
from algoperf.datasets.ogbg.number_table import EMPTY_FIELD, TableError, read_numbers
from algoperf.errors import DataError

ARCHIVE = RemoteFile(
    "https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip",
    "pcba.zip",
    39_533_472,
    "0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53",
)
NODE_FEATURES, EDGE_FEATURES, NUM_TASKS = 9, 3, 128
_CORRUPT = (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, OSError)


@dataclass(frozen=True)
class Member:
    """A table of the archive: its path there, its number of columns, and the dtype to convert to."""

    path: str
    num_columns: int
    dtype: type[np.integer[Any]]
    missing_allowed: bool = False


MEMBERS = {
    "num_nodes": Member("pcba/raw/num-node-list.csv.gz", 1, np.uint16),
    "num_edges": Member("pcba/raw/num-edge-list.csv.gz", 1, np.uint16),
    "nodes": Member("pcba/raw/node-feat.csv.gz", NODE_FEATURES, np.uint8),
    "edges": Member("pcba/raw/edge-feat.csv.gz", EDGE_FEATURES, np.uint8),
    "ends": Member("pcba/raw/edge.csv.gz", 2, np.uint16),
    "labels": Member("pcba/raw/graph-label.csv.gz", NUM_TASKS, np.uint8, missing_allowed=True),
}
SPLITS = {
    split: Member(f"pcba/split/scaffold/{name}.csv.gz", 1, np.int64)
    for split, name in {"train": "train", "validation": "valid", "test": "test"}.items()
}


@dataclass(frozen=True)
class RawMolecules:
    """The content of the archive.

    Attributes:
      table: all graphs.
      labels: uint8 (num_graphs, 128): 0, 1, or the store's mark of a missing label.
      splits: indices of the graphs of each split, int64.
    """

    table: GraphTable
    labels: np.ndarray
    splits: Mapping[str, np.ndarray]


def read_archive(path: Path) -> RawMolecules:
    """Read and check everything. DataError, naming archive and file, if it is invalid."""
    if not path.is_file():
        raise DataError(f"{path} is not there. Run the `download` task first, or check the raw data directory.")
    try:
        with zipfile.ZipFile(path) as archive:
            arrays, splits = _read_members(archive, path)
    except _CORRUPT as error:
        raise _corrupt(path, str(error)) from error
    num_nodes, num_edges, labels = arrays.pop("num_nodes")[:, 0], arrays.pop("num_edges")[:, 0], arrays.pop("labels")
    _check_sizes(path, num_nodes, num_edges, arrays, len(labels))
    table = GraphTable.of(num_nodes, num_edges, arrays)
    _check_ends(path, table)
    if np.any(wrong := (labels > 1) & (labels != UNKNOWN_LABEL)):
        raise _corrupt(path, f"{MEMBERS['labels'].path} has the label {labels[wrong][0]}, allowed are 0, 1 and nothing")
    numbers = {split: array[:, 0] for split, array in splits.items()}
    if not np.array_equal(np.sort(np.concatenate(list(numbers.values()))), np.arange(len(labels))):
        names = ", ".join(member.path for member in SPLITS.values())
        raise _corrupt(path, f"{names} do not name each of {len(labels)} graphs once")
    for split, array in numbers.items():
        if not len(array):
            raise _corrupt(path, f"{SPLITS[split].path} names no graph")
        if not table.num_edges[array].any():
            raise _corrupt(path, f"none of the graphs that {SPLITS[split].path} names has an edge")
    return RawMolecules(table, labels, numbers)


def _read_members(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    members = {**MEMBERS, **SPLITS}
    if missing := sorted({member.path for member in members.values()} - set(archive.namelist())):
        raise _corrupt(path, f"{', '.join(missing)} is not in it")
    total = sum(archive.getinfo(member.path).file_size for member in members.values())
    arrays, done = {}, 0
    with byte_progress(f"reading {path.name}", total) as report:
        for name, member in members.items():
            parts = []
            for part, position in _read_member(archive, member, path):
                parts.append(part)
                report(done + position)
            done += archive.getinfo(member.path).file_size
            arrays[name] = np.concatenate(parts) if parts else np.empty((0, member.num_columns), member.dtype)
    return arrays, {split: arrays.pop(split) for split in SPLITS}


def _read_member(archive: zipfile.ZipFile, member: Member, path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield rows of one table in its dtype, and the number of compressed bytes read so far."""
    largest = np.iinfo(member.dtype).max - int(member.missing_allowed)
    with archive.open(member.path) as compressed, gzip.GzipFile(fileobj=compressed) as text:
        try:
            for rows in read_numbers(text, member.num_columns, missing_allowed=member.missing_allowed):  # type: ignore[arg-type]
                if rows.max(initial=0) > largest:
                    raise TableError(f"it has the value {rows.max()}, the largest allowed is {largest}")
                if member.missing_allowed:
                    rows[rows == EMPTY_FIELD] = UNKNOWN_LABEL
                yield rows.astype(member.dtype), compressed.tell()
        except TableError as error:
            raise _corrupt(path, f"{member.path}: {error}") from error


def _check_sizes(
    path: Path, num_nodes: np.ndarray, num_edges: np.ndarray, arrays: Mapping[str, np.ndarray], num_labels: int
) -> None:
    """DataError if the tables do not fit together."""
    expected = {"nodes": num_nodes.sum(dtype=np.int64), "edges": num_edges.sum(dtype=np.int64)}
    expected["ends"] = expected["edges"]
    for name, count in expected.items():
        if len(arrays[name]) != count:
            found = f"{MEMBERS[name].path} has {len(arrays[name])} lines"
            raise _corrupt(path, f"{found}, but the graphs' sizes add up to {count}")
    for name, count in {"num_edges": len(num_edges), "labels": num_labels}.items():
        if count != len(num_nodes):
            of_nodes = f"{MEMBERS['num_nodes'].path} has {len(num_nodes)}"
            raise _corrupt(path, f"{MEMBERS[name].path} has {count} lines, {of_nodes}")
    if np.any(num_nodes == 0):
        raise _corrupt(path, f"{MEMBERS['num_nodes'].path}: graph {np.argmin(num_nodes)} has no nodes")


def _check_ends(path: Path, table: GraphTable) -> None:
    graphs = np.repeat(np.arange(len(table.num_nodes)), np.diff(table.edge_starts))
    if np.any(wrong := (table.ends >= table.num_nodes[graphs, np.newaxis]).any(axis=1)):
        edge = int(np.argmax(wrong))
        nodes = " and ".join(map(str, table.ends[edge]))
        where = f"graph {graphs[edge]}, which has {table.num_nodes[graphs[edge]]} nodes"
        raise _corrupt(path, f"{MEMBERS['ends'].path} has an edge between the nodes {nodes} in {where}")


def _corrupt(path: Path, what: str) -> DataError:
    return DataError(f"{path} is truncated or corrupt: {what}. Delete it and run the `download` task again.")
