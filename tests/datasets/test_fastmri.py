"""fastMRI: from archives and folders to the store, mistakes, downloads."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from algoperf import cli
from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store
from algoperf.datasets.fastmri.batches import OpenFastMRI
from algoperf.datasets.fastmri.dataset import FastMRI
from algoperf.datasets.fastmri.raw import PARTS, is_volume
from algoperf.errors import DataError, UserError
from algoperf.workload.registry import find_workload
from faulty_server import FaultyServer
from scans import PACKED, SMALL, Scan, Scans


@pytest.fixture
def scans() -> Scans:
    return Scans()


def preprocess(raw_dir: Path, store: Path, dataset: FastMRI = SMALL) -> OpenFastMRI:
    dataset.preprocess(raw_dir, store)
    return dataset.open(store)


def test_archives_of_all_kinds_and_folders_give_the_same_store(scans, tmp_path):
    """Also if an archive's name tells another format than its content; links are as good as files."""
    raw = [scans.write_archives(tmp_path / suffix, suffix) for suffix in PACKED]
    raw += [scans.write_folders(tmp_path / "folders"), scans.write_folders(tmp_path / "renamed", "singlecoil_")]
    (tmp_path / "misnamed").mkdir()
    for part in PARTS:
        name = f"knee_singlecoil_{part}.tar"
        (tmp_path / "misnamed" / f"{name}.xz").symlink_to(tmp_path / ".tar.gz" / f"{name}.gz")
    hashes = {preprocess(folder, folder / "store").hash for folder in (*raw, tmp_path / "misnamed")}
    assert len(hashes) == 1
    assert not list(tmp_path.rglob("*.unpacked"))


def test_the_store_does_not_depend_on_the_size_of_shards_but_in_its_files(scans, tmp_path):
    raw = scans.write_folders(tmp_path / "raw")
    many, few = preprocess(raw, tmp_path / "many"), preprocess(raw, tmp_path / "few", FastMRI(16, 3, 2, 1))
    assert [len(list((tmp_path / name).rglob("shard_*"))) for name in ("many", "few")] == [5, 3]
    for first, second in zip(*(epoch(opened) for opened in (many, few)), strict=True):
        np.testing.assert_array_equal(first, second)
    Store.open(tmp_path / "many").verify()


def epoch(opened: OpenFastMRI, seed: int = 5) -> list[np.ndarray]:
    """Each field of one epoch of training, in its order."""
    batch = opened.training(seed=seed, batch_size=6, shard=Shard()).batch(0)
    return [batch[name] for name in sorted(batch)]


def test_slices_are_in_the_order_of_names(scans, tmp_path):
    """Files sorted by name, the first volumes of `val` are validation data; targets are normalised as inputs are."""
    opened = preprocess(scans.write_folders(tmp_path / "raw"), tmp_path / "store")
    assert [opened.num_examples(split) for split in ("train", "validation", "test")] == [6, 1, 2]
    train = scans.parts["train"]
    expected = [(scan.maximum, target) for name in sorted(train) for scan in [train[name]] for target in scan.target]
    source = opened.training_source(seed=1)
    for row, (maximum, target) in enumerate(expected):
        out = {name: np.empty((1, *shape), dtype) for name, (shape, dtype) in source.layout().items()}
        source.make(np.array([row]), out, lambda: None)
        assert out["volume_max"] == np.float32(maximum)
        scaled = (target - out["mean"][0]) / out["std"][0]
        np.testing.assert_allclose(out["targets"][0], scaled.clip(-6, 6), rtol=1e-5, atol=1e-6)
        assert [out["inputs"].mean(), out["inputs"].std()] == pytest.approx([0, 1], abs=1e-5)
    [batch] = opened.evaluation("test", num_examples=2, batch_size=2, shard=Shard(), seed=0)
    assert batch["volume_max"].tolist() == [np.float32(scans.parts["val"]["file3.h5"].maximum)] * 2


def test_a_volume_without_maximum_has_zero(scans, tmp_path):
    scans.parts["val"]["file2.h5"].maximum = None
    opened = preprocess(scans.write_folders(tmp_path / "raw"), tmp_path / "store")
    [batch] = opened.evaluation("validation", num_examples=1, batch_size=1, shard=Shard(), seed=0)
    assert batch["volume_max"].tolist() == [0]


def test_an_interrupted_call_does_not_unpack_again(scans, tmp_path):
    """What was unpacked is used as it is: here, one file of it has been exchanged meanwhile."""
    raw = scans.write_archives(tmp_path / "raw")
    other = Scan.drawn(99, 2, 24)
    scans.parts["train"]["file1.h5"] = Scan(other.kspace, other.target, 1.0)
    expected = preprocess(scans.write_folders(tmp_path / "expected"), tmp_path / "expected_store").hash
    wanting = FastMRI(16, 3, num_val_volumes=7, num_validation_volumes=1, shard_bytes=1)
    with pytest.raises(DataError, match="should be 7"):
        wanting.preprocess(raw, tmp_path / "store")
    unpacked = tmp_path / ".store.unpacked" / "train"
    assert sorted(path.name for path in unpacked.glob("*.h5")) == ["file1.h5", "file5.h5", "file9.h5"]
    assert (unpacked / "file1.h5").write_bytes(scans.parts["train"]["file1.h5"].file())
    (unpacked / "unpacked.txt").unlink()  # as if it had been interrupted
    (unpacked / "file9.h5").unlink()
    assert preprocess(raw, tmp_path / "store").hash == expected
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_new_archive_is_unpacked_anew(scans, tmp_path):
    raw = scans.write_archives(tmp_path / "raw")
    wanting = FastMRI(16, 3, num_val_volumes=7, num_validation_volumes=1, shard_bytes=1)
    with pytest.raises(DataError, match="should be 7"):
        wanting.preprocess(raw, tmp_path / "store")
    scans.parts["train"]["file1.h5"] = Scan.drawn(99, 2, 24)
    scans.write_archives(raw)
    expected = preprocess(scans.write_folders(tmp_path / "folders"), tmp_path / "expected").hash
    assert preprocess(raw, tmp_path / "store").hash == expected


def test_the_miniature(prepare, tmp_path):
    """It is the same at every call, both widths are there, and other files are not overwritten."""
    definition = find_workload("fastmri").at("mini")
    opened = definition.dataset.open(prepare(definition.dataset, "mini") / "fastmri" / "mini")
    counts = {split: opened.num_examples(split) for split in ("train", "validation", "test")}
    assert counts == {split: definition.num_examples(split) for split in counts}
    assert set(opened._store.split("train")["widths"].tolist()) == {55, 56}
    (tmp_path / "knee_singlecoil_val.tar.xz").write_bytes(b"the real one")
    with pytest.raises(UserError, match="may be the real one"):
        definition.dataset.miniature(tmp_path)


def test_the_command_prepares_the_data_of_the_scale(raw_data, tmp_path):
    """Which has other numbers of volumes than the full one."""
    dataset = find_workload("fastmri").at("mini").dataset
    raw_dir = raw_data(dataset, "mini").parents[1]
    given = ["--raw-dir", str(raw_dir), "--data-dir", str(tmp_path)]
    cli.cli.main(["preprocess", "--workload", "fastmri", "--scale", "mini", *given], standalone_mode=False)
    assert dataset.open(tmp_path / "fastmri" / "mini").num_examples("train") == 320


# --- mistakes -------------------------------------------------------------------------------------------------


def truncated(files: Path) -> None:
    path = files / "file5.h5"
    path.write_bytes(path.read_bytes()[:-4000])


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (truncated, r"train/file5\.h5 is no volume of fastMRI, or damaged: .*truncated"),
        (lambda files: (files / "file5.h5").write_bytes(b""), r"file5\.h5 is no volume"),
        (lambda files: (files / "file5.h5").write_bytes(b"<html>" * 100), r"file5\.h5 is no volume"),
        (lambda files: (files / "file5.h5").unlink(), r"holds 2 volumes \(from file1\.h5 to file9\.h5\).*should be 3"),
        (lambda files: (files / "file5.h5").rename(files / "file5.hdf"), "holds 2 volumes.*should be 3"),
        (lambda files: shutil.copy(files / "file5.h5", files / "file6.h5"), "holds 4 volumes.*should be 3"),
        (lambda files: [path.unlink() for path in files.iterdir()], "holds 0 volumes, but there should be 3"),
    ],
    ids=["truncated", "empty", "other", "missing", "renamed", "surplus", "all missing"],
)
def test_wrong_files_are_named(scans, tmp_path, mistake, message):
    raw = scans.write_folders(tmp_path / "raw")
    mistake(raw / "knee_singlecoil_train")
    with pytest.raises(DataError, match=message):
        SMALL.preprocess(raw, tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda scan: scan.kspace.__setitem__((0, 3, 4), np.nan),
            r"file5\.h5 .*slice 0 has values that are not finite",
        ),
        (lambda scan: scan.kspace.fill(0), r"file5\.h5 .*or only zeros"),
        (lambda scan: scan.target.__setitem__((0, 0, 0), np.inf), r"file5\.h5 .*not finite"),
        (
            lambda scan: setattr(scan, "target", scan.target[:, :-1]),
            r"file5\.h5 .*reconstruction_esc is float32 \(1, 15",
        ),
        (lambda scan: setattr(scan, "kspace", scan.kspace.real), r"file5\.h5 .*kspace is float32 \(1, 40, 23\)"),
        (lambda scan: setattr(scan, "kspace", scan.kspace[0]), r"file5\.h5 .*kspace is complex64 \(40, 23\)"),
        (lambda scan: setattr(scan, "kspace", scan.kspace[:0]), r"file5\.h5 .*kspace is complex64 \(0, 40, 23\)"),
    ],
)
def test_wrong_contents_are_named(scans, tmp_path, change, message):
    change(scans.parts["train"]["file5.h5"])
    with pytest.raises(DataError, match=message):
        SMALL.preprocess(scans.write_folders(tmp_path / "raw"), tmp_path / "store")


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tar"])
def test_a_truncated_archive_is_named(scans, tmp_path, suffix):
    raw = scans.write_archives(tmp_path / "raw", suffix)
    path = raw / f"knee_singlecoil_train{suffix}"
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(DataError, match=rf"knee_singlecoil_train{suffix} cannot be unpacked.*truncated or corrupt"):
        SMALL.preprocess(raw, tmp_path / "store")


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz"])
def test_a_changed_bit_in_an_archive_is_found(scans, tmp_path, suffix):
    raw = scans.write_archives(tmp_path / "raw", suffix)
    path = raw / f"knee_singlecoil_train{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"knee_singlecoil_train{suffix} cannot be unpacked"):
        SMALL.preprocess(raw, tmp_path / "store")


def test_a_file_that_is_there_twice_is_named(scans, tmp_path):
    scans.more["again/file5.h5"] = b""
    with pytest.raises(DataError, match=r"holds file5\.h5 twice"):
        SMALL.preprocess(scans.write_archives(tmp_path / "raw"), tmp_path / "store")


def test_hidden_files_of_other_systems_are_no_volumes(scans, tmp_path):
    scans.more |= {"._file5.h5": b"x", "README": b"x"}
    assert preprocess(scans.write_archives(tmp_path / "raw"), tmp_path / "store").num_examples("train") == 6
    assert is_volume("file5.h5")
    assert not is_volume("._file5.h5")


# --- download -------------------------------------------------------------------------------------------------


def test_download_says_what_is_missing(scans, tmp_path):
    with pytest.raises(DataError) as caught:
        SMALL.download(tmp_path / "nowhere")
    for text in ("https://fastmri.med.nyu.edu/", "knee_singlecoil_train.tar.xz: 973 volumes", "links.txt",
                 "knee_singlecoil_val.tar.xz: 199 volumes", "test is not needed"):  # fmt: skip
        assert text in str(caught.value)
    scans.write_folders(tmp_path)
    SMALL.download(tmp_path)
    shutil.rmtree(tmp_path / "knee_singlecoil_val")
    with pytest.raises(DataError, match="missing   knee_singlecoil_val") as caught:
        SMALL.download(tmp_path)
    assert "knee_singlecoil_train.tar.xz: 973" not in str(caught.value)


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


def test_download_takes_links_from_a_text(scans, server, tmp_path):
    """As in the answer to the form: commands with signed links; the connection breaks once."""
    server.behaviour.content = PACKED[".tar.xz"](scans.archive("train"))
    server.behaviour.break_after, server.behaviour.break_count = 5_000, 2  # the first is only asked for the size
    scans.write_archives(tmp_path)
    (tmp_path / "knee_singlecoil_train.tar.xz").unlink()
    links = [f"curl -C - \"{server.url(f'v2/knee_singlecoil_{part}.tar.xz')}?Key=A&Signature=b%3D\" --output x"
             for part in ("test", "val", "train")]  # fmt: skip
    (tmp_path / "links.txt").write_text("\n".join(links))
    SMALL.download(tmp_path)
    assert (tmp_path / "knee_singlecoil_train.tar.xz").read_bytes() == server.behaviour.content
    requests = len(server.requests)
    SMALL.download(tmp_path)  # nothing is asked for again
    assert len(server.requests) == requests
    assert preprocess(tmp_path, tmp_path / "store").num_examples("train") == 6


def test_an_expired_link(server, tmp_path):
    (tmp_path / "links.txt").write_text(server.url("knee_singlecoil_train.tar.xz?Expires=1"))
    server.behaviour.status = 403
    with pytest.raises(DataError, match=r"HTTP 403 Forbidden\. Links may expire: ask for new ones"):
        SMALL.download(tmp_path)
    server.behaviour.status, server.behaviour.without_length = None, True
    with pytest.raises(DataError, match="does not say how many bytes"):
        SMALL.download(tmp_path)
