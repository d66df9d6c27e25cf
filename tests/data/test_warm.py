"""Reading stores into the page cache."""

from pathlib import Path

import numpy as np
import pytest

from algoperf.data.store import warm as warming
from algoperf.data.store.store import Store, create_store


@pytest.fixture
def store(tmp_path) -> Store:
    with create_store(tmp_path / "store", dataset="toy") as writer:
        for split in ("train", "train_parts", "validation", "test"):
            writer.append(split, {"x": np.zeros(10_000, np.uint8)})
    return Store.open(tmp_path / "store")


@pytest.fixture
def reads(monkeypatch) -> list[tuple[str, int, int]]:
    """The pieces that were read; each has at most 1,000 bytes."""
    made: list[tuple[str, int, int]] = []
    read = warming._read
    monkeypatch.setattr(warming, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(warming, "_READ_BYTES", 300)
    monkeypatch.setattr(
        warming,
        "_read",
        lambda path, *part: made.append((f"{path.parent.name}/{path.name}", *part)) or read(path, *part),
    )
    return made


def set_free_memory(monkeypatch, num_bytes: int) -> None:
    available = type("Memory", (), {"available": num_bytes})
    monkeypatch.setattr(warming.psutil, "virtual_memory", lambda: available)


def test_every_byte_is_read_once_and_training_data_last(store, reads, capsys):
    store.warm()
    sizes = {name: file.num_bytes for name, file in store.files.items()}
    assert list(dict.fromkeys(name for name, _, _ in reads)) == [
        "test/x.npy", "validation/x.npy", "train/x.npy", "train_parts/x.npy",
    ]  # fmt: skip
    for name, size in sizes.items():
        pieces = [(offset, count) for found, offset, count in reads if found == name]
        assert [offset for offset, _ in pieces] == list(range(0, size, 1000))
        assert sum(count for _, count in pieces) == size
    assert capsys.readouterr().out == ""


def test_it_stops_before_memory_is_full_even_within_a_file(store, reads, monkeypatch, capsys):
    set_free_memory(monkeypatch, 30_000)
    store.warm()
    assert capsys.readouterr().out == "The store has 40.5 kB; memory for 24.0 kB of it is free.\n"
    assert 23_000 < sum(count for _, _, count in reads) <= 24_000
    assert reads[-1][0] == "train/x.npy"


def test_the_processes_of_a_host_share_the_work(store, reads, monkeypatch):
    store.warm()
    alone = list(reads)
    together = []
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    for rank in range(3):
        reads.clear()
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        store.warm()
        assert reads == alone[rank::3]
        together += reads
    assert sorted(together) == sorted(alone)


def test_pieces_are_read_as_they_are_cut(tmp_path, monkeypatch):
    """The last read of a piece goes no further than the piece."""
    seen: list[int] = []

    class File:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def seek(self, offset):
            seen.append(offset)

        def readinto(self, buffer):
            seen.append(len(buffer))
            return len(buffer)

    monkeypatch.setattr(warming, "_READ_BYTES", 300)
    monkeypatch.setattr(Path, "open", lambda *_, **__: File())
    warming._read(tmp_path / "x", 2000, 700)
    assert seen == [2000, 300, 300, 100]
