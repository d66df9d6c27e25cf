"""Stores whose rows are written in parallel: contents, mistakes, interruptions."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.store import array_units
from algoperf.data.store import build_units as building
from algoperf.data.store.array_units import ARRAYS
from algoperf.data.store.store import Store, create_store
from number_unit import NumberUnit
from places import SUPPORT

CUTS = (0, 7, 7, 20, 21, 40)  # the second unit has no rows
UNITS = [NumberUnit(first, last) for first, last in itertools.pairwise(CUTS)]


def build(directory: Path, units=UNITS, num_processes: int = 1) -> Path:
    splits = {"train": units, "test": [NumberUnit(0, 5)]}
    other_files = {"words.txt": b"words"}
    building.build(
        directory, dataset="toy", splits=splits, form=ARRAYS, num_processes=num_processes, other_files=other_files
    )
    return directory


@pytest.fixture
def expected(tmp_path) -> bytes:
    """The manifest of the same store, written by one process in one piece."""
    with create_store(tmp_path / "expected", dataset="toy") as writer:
        for split, number in (("train", 40), ("test", 5)):
            [rows] = NumberUnit(0, number, chunk=40).rows()
            writer.append(split, rows)
        writer.add_file("words.txt", b"words")
    return (tmp_path / "expected" / "manifest.json").read_bytes()


def test_the_store_is_the_one_that_a_single_writer_makes(tmp_path, expected):
    directory = build(tmp_path / "store")
    assert (directory / "manifest.json").read_bytes() == expected
    store = Store.open(directory, dataset="toy")
    store.verify()
    np.testing.assert_array_equal(store.split("train")["targets"], np.arange(40))
    assert store.read_file("words.txt") == b"words"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "store"]


def test_the_cut_into_units_does_not_show(tmp_path, expected):
    assert (build(tmp_path / "store", [NumberUnit(0, 40, 7)]) / "manifest.json").read_bytes() == expected


def test_several_processes_make_the_same_store(tmp_path, expected, monkeypatch):
    monkeypatch.setattr(building, "_WORTH_PROCESSES", 0)
    assert (build(tmp_path / "store", num_processes=2) / "manifest.json").read_bytes() == expected


def interrupt_joining(monkeypatch, num_copied: int) -> None:
    """Let a build be interrupted when it has copied so many files."""
    copy, left = array_units._copy_rows, iter(range(num_copied))

    def interrupted(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        copy(*given)

    monkeypatch.setattr(array_units, "_copy_rows", interrupted)


@pytest.mark.parametrize("num_copied", range(9))
def test_joining_can_be_interrupted_anywhere(tmp_path, expected, monkeypatch, num_copied):
    """Two files of four units with rows, and two of the other split: whatever was copied, the next call goes on."""
    with monkeypatch.context() as patched:
        interrupt_joining(patched, num_copied)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "store")
    parts = tmp_path / ".store.building" / "parts"
    assert len(list(parts.glob("train/shard_*"))) <= 5 - num_copied // 2
    monkeypatch.setattr(NumberUnit, "rows", None)  # nothing is parsed again
    assert (build(tmp_path / "store") / "manifest.json").read_bytes() == expected


def test_units_that_differ(tmp_path):
    units = [NumberUnit(0, 3), NumberUnit(3, 9, targets="<i8")]
    with pytest.raises(ValueError, match=r"'train' has units that differ: 0 to 3 has .*<i4.* and 3 to 9 has .*<i8"):
        build(tmp_path / "store", units)


def test_a_split_without_rows(tmp_path):
    with pytest.raises(ValueError, match="split 'train' has no examples"):
        build(tmp_path / "store", [NumberUnit(3, 3)])


def test_units_that_are_the_same_in_another_plan_are_kept(tmp_path, expected, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(array_units, "_copy_rows", None)
        with pytest.raises(TypeError):
            build(tmp_path / "store", [*UNITS[:3], NumberUnit(20, 41), NumberUnit(0, 3), NumberUnit(3, 5)])
    assert (build(tmp_path / "store") / "manifest.json").read_bytes() == expected
    assert "4 of 6 shards are there already" in capsys.readouterr().out


def test_another_plan_after_joining_has_begun_starts_afresh(tmp_path, expected, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        interrupt_joining(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "store", [*UNITS[:4], NumberUnit(21, 41)])
    assert (build(tmp_path / "store") / "manifest.json").read_bytes() == expected
    assert "are there already" not in capsys.readouterr().out


SLOW = """
import sys
from pathlib import Path
from algoperf.data.store.array_units import ARRAYS
from algoperf.data.store.build_units import build
from number_unit import NumberUnit
units = [NumberUnit(number, number + 4, 1, 0.05) for number in range(0, 40, 4)]
splits = {"train": units, "test": [NumberUnit(0, 5)]}
build(Path(sys.argv[1]), dataset="toy", splits=splits, form=ARRAYS, num_processes=1)
"""


def test_killed_and_restarted(tmp_path, capfd):
    """A killed call leaves no store; the next one keeps its shards and ends with the same rows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", SLOW, str(tmp_path / "store")]
    process = subprocess.Popen(command, env=environment)
    notes = tmp_path / ".store.building" / "notes"
    deadline = time.monotonic() + 120
    while len(list(notes.rglob("shard_*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "store").exists()
    num_kept = len(list(notes.rglob("shard_*.npz")))
    assert 2 <= num_kept < 11
    subprocess.run(command, env=environment, check=True)
    assert f"{num_kept} of 11 shards are there already." in capfd.readouterr().out
    store = Store.open(tmp_path / "store")
    store.verify()
    np.testing.assert_array_equal(store.split("train")["targets"], np.arange(40))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
