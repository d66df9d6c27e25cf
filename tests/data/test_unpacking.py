"""Archives are unpacked beside the store: once, from a folder that may be read-only, and anew if they have changed."""

import gzip
import os

import pytest

from algoperf.data.transfer.unpacking import unpacked
from algoperf.datasets.archives import tar_of
from algoperf.errors import DataError, DiskFull


def archive(path, text: bytes):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(tar_of({"file": text}), mtime=0))
    return path


@pytest.fixture
def raw(tmp_path):
    return {"a": archive(tmp_path / "raw" / "a.tar.gz", b"1"), "b": archive(tmp_path / "raw" / "b.tar.gz", b"2")}


def texts(folder):
    return [(folder / name / "file").read_bytes() for name in ("a", "b")]


def interrupted(raw, store):
    with pytest.raises(KeyboardInterrupt), unpacked(raw, store):
        raise KeyboardInterrupt


def test_it_lies_beside_the_store_and_goes_when_the_store_is_made(raw, tmp_path):
    before = sorted(os.listdir(tmp_path / "raw"))
    with unpacked(raw, tmp_path / "store") as folder:
        assert folder == tmp_path / ".store.unpacked"
        assert texts(folder) == [b"1", b"2"]
    assert not folder.exists()
    assert sorted(os.listdir(tmp_path / "raw")) == before


def test_an_interrupted_call_goes_on_also_without_the_archives(raw, tmp_path, capsys):
    interrupted(raw, tmp_path / "store")
    raw["b"].unlink()
    capsys.readouterr()
    with unpacked(raw, tmp_path / "store") as folder:
        assert texts(folder) == [b"1", b"2"]
    assert capsys.readouterr().out == ""


def test_an_archive_that_has_changed_is_unpacked_anew(raw, tmp_path):
    interrupted(raw, tmp_path / "store")
    archive(raw["a"], b"other")
    with unpacked(raw, tmp_path / "store") as folder:
        assert texts(folder) == [b"other", b"2"]


def test_the_archives_of_another_folder_are_no_substitute(raw, tmp_path):
    interrupted(raw, tmp_path / "store")
    elsewhere = {name: tmp_path / "other" / path.name for name, path in raw.items()}
    with pytest.raises(DataError, match=r"other/a\.tar\.gz is not there"), unpacked(elsewhere, tmp_path / "store"):
        pass


def test_space_is_asked_for_first(raw, tmp_path):
    with pytest.raises(DiskFull), unpacked(raw, tmp_path / "store", growth=1e18):
        pass
    assert os.listdir(tmp_path / ".store.unpacked") == []
