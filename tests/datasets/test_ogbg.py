"""ogbg-molpcba: from the archive to the store, generated molecules, and mistakes."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store
from algoperf.datasets.ogbg import number_table
from algoperf.datasets.ogbg.batches import UNKNOWN_LABEL
from algoperf.datasets.ogbg.dataset import MOLPCBA
from algoperf.datasets.ogbg.miniature import NUM_GRAPHS, archive_of, count_motifs, draw_labels
from algoperf.datasets.ogbg.molecules import VALENCES, DrawnMolecules, draw_molecules
from algoperf.datasets.ogbg.number_table import TableError, read_numbers
from algoperf.datasets.ogbg.raw import ARCHIVE, MEMBERS, SPLITS
from algoperf.errors import DataError, UserError
from tables import rewritten

# --- tables of numbers ----------------------------------------------------------------------------------------


def read(text: str, num_columns: int, **options) -> list[list[int]]:
    return np.concatenate(list(read_numbers(io.BytesIO(text.encode()), num_columns, **options))).tolist()


def test_tables_of_numbers():
    assert read("1,20\n300,4\n", 2) == [[1, 20], [300, 4]]
    assert read("7\n123456789", 1) == [[7], [123456789]]
    assert read("0.0,,1\n,12.0,\n", 3, missing_allowed=True) == [[0, -1, 1], [-1, 12, -1]]
    assert list(read_numbers(io.BytesIO(b""), 3)) == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_tables_do_not_depend_on_where_a_piece_ends(monkeypatch, chunk):
    table = np.random.default_rng(0).integers(0, 2000, (40, 3))
    text = "".join(",".join(map(str, row)) + "\n" for row in table.tolist())
    monkeypatch.setattr(number_table, "_CHUNK_BYTES", chunk)
    assert read(text, 3) == table.tolist()
    assert read(text.rstrip(), 3) == table.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "line '3' has 1 fields instead of 2"),
        ("1,2\n3,4,5\n", "line '3,4,5' has 3 fields instead of 2"),
        ("1,2\n\n3,4\n", "line '' has 1 fields instead of 2"),
        ("1,-2\n", "field '-2', which is not a whole number"),
        ("1,2.5\n", r"field '2\.5'"),
        ("1,x\n", "field 'x'"),
        ("1,\n", "field ''"),
        ("1,2\r\n", r"field '2\\r'"),
        ("1,12345678901234567890\n", "field '12345678901234567890', which is not a whole number of at most 9"),
        (".0,1\n", r"field '\.0'"),
    ],
)
def test_other_texts_are_no_tables_of_numbers(text, message):
    with pytest.raises(TableError, match=message):
        read(text, 2)


# --- generated molecules --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def molecules() -> DrawnMolecules:
    return draw_molecules(np.random.default_rng(0), np.random.default_rng(1).integers(2, 40, 400))


def test_valences_are_respected(molecules):
    bonded = molecules.per_atom(molecules.orders)
    assert (bonded <= VALENCES[molecules.elements]).all()
    hydrogens = molecules.atom_features()[:, 4]
    np.testing.assert_array_equal(bonded + hydrogens, VALENCES[molecules.elements])


def test_molecules_are_simple_connected_graphs_with_rings(molecules):
    last, ring_sizes = 0, 0
    for num_atoms, num_bonds in zip(molecules.num_atoms, molecules.num_bonds, strict=True):
        bonds = molecules.ends[last : last + num_bonds].tolist()
        last += num_bonds
        assert len({frozenset(bond) for bond in bonds}) == num_bonds
        reached, border = {0}, [0]
        while border:
            atom = border.pop()
            further = {end for bond in bonds if atom in bond for end in bond} - reached
            reached |= further
            border += further
        assert reached == set(range(num_atoms))
        ring_sizes += num_bonds - num_atoms + 1
    assert 0.08 < ring_sizes / molecules.num_atoms.sum() < 0.16


def test_bonds_on_rings_are_those_whose_removal_keeps_the_molecule_together(molecules):
    firsts = np.cumsum(molecules.num_bonds) - molecules.num_bonds
    for graph in range(0, 400, 40):
        bonds = molecules.ends[firsts[graph] :][: molecules.num_bonds[graph]].tolist()
        for number, (start, end) in enumerate(bonds):
            others, reached, border = bonds[:number] + bonds[number + 1 :], {start}, [start]
            while border:
                atom = border.pop()
                further = {other for bond in others if atom in bond for other in bond} - reached
                reached |= further
                border += further
            assert (end in reached) == molecules.in_ring[firsts[graph] + number]


def test_labels_depend_on_structure_and_so_does_which_of_them_are_known(molecules):
    labels = draw_labels(molecules)
    assert labels.shape == (400, 128)
    assert set(np.unique(labels)) == {-1, 0, 1}
    known = labels >= 0
    assert known.mean() == pytest.approx(0.75 * 0.15 + 0.25 * 0.9, abs=0.02)
    assert labels[known].mean() == pytest.approx((0.1125 * 0.9 + 0.225 * 0.2) / 0.3375, abs=0.03)
    counts = count_motifs(molecules)
    scores = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    correlations = [abs(np.corrcoef(scores[known[:, task]].T, labels[known[:, task], task])[-1, :-1]).max() for task in
                    range(128)]  # fmt: skip
    assert np.mean(correlations) > 0.3


# --- the store --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A small archive in the real format."""
    molecules = draw_molecules(np.random.default_rng(3), np.array([2, 5, 9, 4, 30, 6, 7]))
    content = archive_of(molecules, draw_labels(molecules), {"train": 4, "validation": 2, "test": 1})
    path = tmp_path_factory.mktemp("ogbg") / ARCHIVE.name
    path.write_bytes(content)
    return path


def rows_of(archive: Path, member: str) -> list[list[str]]:
    with zipfile.ZipFile(archive) as file:
        return list(csv.reader(io.StringIO(gzip.decompress(file.read(member)).decode())))


def test_the_store_holds_what_the_archive_does(archive, tmp_path):
    """Read again with the standard library, one graph after another."""
    MOLPCBA.preprocess(archive.parent, tmp_path / "store")
    store = Store.open(tmp_path / "store", dataset="ogbg_molpcba")
    store.verify()
    tables = {name: rows_of(archive, member.path) for name, member in MEMBERS.items()}
    node_ends, edge_ends = (np.cumsum([int(row[0]) for row in tables[name]]) for name in ("num_nodes", "num_edges"))
    for split, member in SPLITS.items():
        graphs, nodes, edges = (store.split(name) for name in (split, f"{split}_nodes", f"{split}_edges"))
        numbers = [int(row[0]) for row in rows_of(archive, member.path)]
        expected = {"nodes": [], "edges": [], "ends": []}
        for number in numbers:
            node_slice, edge_slice = (
                slice(ends[number] - int(tables[name][number][0]), ends[number])
                for name, ends in (("num_nodes", node_ends), ("num_edges", edge_ends))
            )
            expected["nodes"] += tables["nodes"][node_slice]
            expected["edges"] += tables["edges"][edge_slice]
            expected["ends"] += tables["ends"][edge_slice]
        for name, found in {"nodes": nodes["features"], "edges": edges["features"], "ends": edges["ends"]}.items():
            np.testing.assert_array_equal(found, np.array(expected[name], int), err_msg=name)
        labels = [
            [{"": UNKNOWN_LABEL, "0.0": 0, "1.0": 1}[field] for field in tables["labels"][number]] for number in numbers
        ]
        np.testing.assert_array_equal(graphs["labels"], labels)
        assert graphs["num_nodes"].tolist() == [int(tables["num_nodes"][number][0]) for number in numbers]


def test_the_miniature(prepare, tmp_path):
    root = prepare(MOLPCBA, "mini")
    opened = MOLPCBA.open(root / "ogbg_molpcba" / "mini")
    assert {split: opened.num_examples(split) for split in NUM_GRAPHS} == NUM_GRAPHS
    (tmp_path / ARCHIVE.name).write_bytes(b"a real download")
    with pytest.raises(UserError, match="holds something else than the miniature dataset"):
        MOLPCBA.miniature(tmp_path)


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("nodes", lambda rows: rows[:-1], r"node-feat\.csv\.gz has 62 lines, but the graphs' sizes add up to 63"),
        ("ends", lambda rows: rows[:-1], r"edge\.csv\.gz has \d+ lines, but the graphs' sizes add up to"),
        ("labels", lambda rows: rows[:-1], r"graph-label\.csv\.gz has 6 lines, .*num-node-list\.csv\.gz has 7"),
        ("ends", lambda rows: [["0", "2"], *rows[1:]], "between the nodes 0 and 2 in graph 0, which has 2 nodes"),
        ("labels", lambda rows: [["2", *rows[0][1:]], *rows[1:]], "has the label 2, allowed are 0, 1 and nothing"),
        ("nodes", lambda rows: [["256", *rows[0][1:]], *rows[1:]], "has the value 256, the largest allowed is 255"),
        ("nodes", lambda rows: [["C", *rows[0][1:]], *rows[1:]], r"node-feat\.csv\.gz: it has the field 'C'"),
        ("edges", lambda rows: [rows[0][:2], *rows[1:]], "has 2 fields instead of 3"),
        ("num_nodes", lambda rows: [["0"], ["7"], *rows[2:]], "graph 0 has no nodes"),
        ("train", lambda rows: [rows[1], *rows[1:]], "do not name each of 7 graphs once"),
        ("test", lambda rows: None, r"scaffold/test\.csv\.gz is not in it"),
    ],
)
def test_damaged_archives(archive, tmp_path, member, change, message):
    path = ({**MEMBERS, **SPLITS})[member].path
    rewritten(archive, tmp_path / ARCHIVE.name, path, change)
    with pytest.raises(DataError, match=message):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def changed(archive: Path, target: Path, changes) -> None:
    """Copy an archive with some tables changed."""
    source = archive
    for number, (name, change) in enumerate(changes.items()):
        rewritten(source, target.with_name(f"{number}.zip"), ({**MEMBERS, **SPLITS})[name].path, change)
        source = target.with_name(f"{number}.zip")
    source.rename(target)


def without_edges(archive: Path, graph: int):
    """Changes that remove the edges of one graph."""
    counts = [int(row[0]) for row in rows_of(archive, MEMBERS["num_edges"].path)]
    first = sum(counts[:graph])
    kept = lambda rows: rows[:first] + rows[first + counts[graph] :]  # noqa: E731
    return {
        "num_edges": lambda rows: [*rows[:graph], ["0"], *rows[graph + 1 :]],
        "edges": kept,
        "ends": kept,
    }


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_empty_split_is_refused(archive, tmp_path, split):
    numbers = rows_of(archive, SPLITS[split].path)
    changed(archive, tmp_path / ARCHIVE.name, {split: lambda rows: [], "train": lambda rows: rows + numbers})
    with pytest.raises(DataError, match=rf"pcba\.zip .*{SPLITS[split].path} names no graph"):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_split_without_any_edge_is_refused(archive, tmp_path):
    [[only]] = rows_of(archive, SPLITS["test"].path)
    changed(archive, tmp_path / ARCHIVE.name, without_edges(archive, int(only)))
    with pytest.raises(DataError, match=r"none of the graphs that .*test\.csv\.gz names has an edge"):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_graph_without_edges_is_a_graph(archive, tmp_path):
    changed(archive, tmp_path / ARCHIVE.name, without_edges(archive, 1))
    MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    opened = MOLPCBA.open(tmp_path / "store")
    numbers = [int(row[0]) for row in rows_of(archive, SPLITS["train"].path)]
    [batch] = opened.evaluation("train", num_examples=4, batch_size=8, shard=Shard(), seed=0)
    assert batch["inputs"].n_edge[numbers.index(1)] == 0
    assert batch["inputs"].n_node[numbers.index(1)] == 5


def test_missing_and_truncated_archives(archive, tmp_path):
    with pytest.raises(DataError, match=r"pcba\.zip is not there\. Run the `download` task"):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    content = archive.read_bytes()
    (tmp_path / ARCHIVE.name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"pcba\.zip is truncated or corrupt"):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
    (tmp_path / ARCHIVE.name).write_bytes(content.replace(b"\x1f\x8b\x08", b"\x1f\x8b\x07", 1))
    with pytest.raises(DataError, match="is truncated or corrupt"):
        MOLPCBA.preprocess(tmp_path, tmp_path / "store")
