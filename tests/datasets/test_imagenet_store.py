"""From archives to the store: contents, mistakes, interruptions."""

import errno
import json
import signal
import subprocess
import sys
import time

import pytest

from algoperf.data.store import build_units as building
from algoperf.data.store import record_units
from algoperf.data.store.store import Store
from algoperf.datasets.imagenet import raw
from algoperf.datasets.imagenet import shards as imagenet_shards
from algoperf.datasets.imagenet.dataset import ImageNet
from algoperf.errors import DataError, DiskFull, UserError
from image_archives import CLASSES, ONE_SHARD_EACH, Archives, jpeg, preprocess, records


@pytest.fixture
def archives() -> Archives:
    return Archives()


def test_every_image_is_in_the_store_byte_by_byte(archives, tmp_path):
    store = preprocess(archives, tmp_path)
    expected = [(data, label) for label, name in enumerate(CLASSES) for _, data in sorted(archives.train[name].items())]
    assert records(store, "train") == expected
    # Ground truth 3, 1, 2 are the numbers of n01, n02, n03 in the development kit.
    labels = [0, 1, 2, 0, 1, 2]
    assert records(store, "validation") == list(zip(archives.validation.values(), labels, strict=True))
    assert records(store, "test") == [(jpeg(label), label) for label in (0, 0, 1, 1, 2, 2)]


def test_the_store_does_not_depend_on_the_size_of_shards_but_in_its_files(archives, tmp_path):
    many = preprocess(archives, tmp_path / "many")
    few = preprocess(archives, tmp_path / "few", ImageNet())
    for split in ("train", "validation", "test"):
        assert records(many, split) == records(few, split)
    assert len(list(many.rglob("shard_*"))) == 3 + 6 + 1
    assert len(list(few.rglob("shard_*"))) == 3


def test_heights_and_widths_are_kept(archives, tmp_path):
    fields = Store.open(preprocess(archives, tmp_path)).split("train")
    assert set(fields["heights"].tolist()) == {20}
    assert set(fields["widths"].tolist()) == {30}


def test_the_store_is_verified_like_any_other(archives, tmp_path):
    store = preprocess(archives, tmp_path)
    Store.open(store, dataset="imagenet").verify()
    shard = store / "train" / "shard_00001.npy"
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"train/shard_00001\.npy has SHA-256"):
        Store.open(store).verify()


def test_preprocessing_again_does_nothing(archives, tmp_path):
    store = preprocess(archives, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    preprocess(archives, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_wrong_number_of_training_images(archives, tmp_path):
    del archives.train["n01"]["n01_3.JPEG"]
    with pytest.raises(DataError, match=r"n01\.tar in .* holds 3 images, but the development kit says 4"):
        preprocess(archives, tmp_path)


def test_a_missing_class(archives, tmp_path):
    del archives.train["n02"]
    with pytest.raises(DataError, match="has 2 classes, the development kit 3; only one of them has n02"):
        preprocess(archives, tmp_path)


def test_a_wrong_number_of_validation_images(archives, tmp_path):
    archives.truth = archives.truth[:-1]
    with pytest.raises(DataError, match="holds 6 images, but the development kit has labels for 5"):
        preprocess(archives, tmp_path)


def test_a_wrong_number_of_test_images(archives, tmp_path):
    del archives.test["v2/1/0.jpeg"]
    with pytest.raises(DataError, match="its 3 classes have between 1 and 2 images"):
        preprocess(archives, tmp_path)


def test_a_test_image_without_a_class(archives, tmp_path):
    archives.test["v2/3/0.jpeg"] = jpeg(0)
    with pytest.raises(DataError, match=r"v2/3/0\.jpeg does not lie in a folder numbered from 0 to 2"):
        preprocess(archives, tmp_path)


@pytest.mark.parametrize("name", [raw.TRAIN, raw.VALIDATION, raw.DEVKIT, raw.TEST.name])
def test_a_missing_archive(archives, tmp_path, name):
    (archives.write(tmp_path / "raw") / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is not there\. Run the `download` task"):
        ONE_SHARD_EACH.preprocess(tmp_path / "raw", tmp_path / "store")


@pytest.mark.parametrize("name", [raw.TRAIN, raw.VALIDATION, raw.DEVKIT, raw.TEST.name])
def test_a_truncated_archive(archives, tmp_path, name):
    path = archives.write(tmp_path / "raw") / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=name):
        ONE_SHARD_EACH.preprocess(tmp_path / "raw", tmp_path / "store")


def test_a_development_kit_with_an_unknown_label(archives, tmp_path):
    archives.truth = (9, 1, 2, 3, 1, 2)
    with pytest.raises(DataError, match="is not the development kit of ILSVRC 2012, or damaged: KeyError 9"):
        preprocess(archives, tmp_path)


# --- interruptions ---------------------------------------------------------------------------------------------


def test_finished_shards_are_kept(archives, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(imagenet_shards, "to_stored", _failing_after(9))
        with pytest.raises(KeyboardInterrupt):
            preprocess(archives, tmp_path)
    shards = tmp_path / ".store.building" / "content"
    before = {path.name: path.stat().st_mtime_ns for path in shards.rglob("*.npy")}
    assert sorted(before) == ["shard_00000.npy", "shard_00001.npy"]
    ONE_SHARD_EACH.preprocess(tmp_path / "raw", tmp_path / "store")
    assert "2 of 10 shards are there already." in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store" / "train").glob("*.npy")}
    assert before.items() <= after.items()


def _failing_after(count):
    counter = iter(range(count))

    def to_stored(data):
        if next(counter, None) is None:
            raise KeyboardInterrupt
        return data, 1, 1

    return to_stored


def test_another_archive_starts_afresh(archives, tmp_path):
    archives.test["v2/2/1.jpeg"] = b"damaged"
    with pytest.raises(DataError):
        preprocess(archives, tmp_path)
    archives = Archives()
    archives.train["n01"]["n01_0.JPEG"] = jpeg(77)
    assert records(preprocess(archives, tmp_path), "train")[0][0] == jpeg(77)


SLOW = """
import sys, time
from pathlib import Path
from algoperf.datasets.imagenet import shards as imagenet_shards
from algoperf.datasets.imagenet.dataset import ImageNet
fast = imagenet_shards.to_stored
def slow(data):
    time.sleep(0.2)
    return fast(data)
imagenet_shards.to_stored = slow
ImageNet(shard_bytes=1).preprocess(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_and_restarted(archives, tmp_path, capsys):
    """A killed call leaves no store; the next one keeps its shards and ends with the same bytes."""
    expected = preprocess(archives, tmp_path / "other")
    command = [sys.executable, "-c", SLOW, str(archives.write(tmp_path / "raw")), str(tmp_path / "store")]
    process = subprocess.Popen(command)
    shards = tmp_path / ".store.building" / "content"
    deadline = time.monotonic() + 120
    while len(list(shards.rglob("shard_*.npy"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in shards.rglob("shard_*.npy")}
    assert not (tmp_path / "store").exists()
    assert len(kept) >= 2
    ONE_SHARD_EACH.preprocess(tmp_path / "raw", tmp_path / "store")
    assert "of 10 shards are there already." in capsys.readouterr().out
    found = tmp_path / "store"
    assert {path.stat().st_mtime_ns for path in found.rglob("shard_*.npy")} >= set(kept.values()) - {
        max(kept.values())  # the last may have been without its note
    }
    assert Store.open(found).hash == Store.open(expected).hash
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_several_processes_make_the_same_store(archives, tmp_path, monkeypatch):
    expected = preprocess(archives, tmp_path / "one")
    monkeypatch.setattr(building, "_WORTH_PROCESSES", 0)
    found = preprocess(archives, tmp_path / "two")
    assert Store.open(found).hash == Store.open(expected).hash
    archives.train["n03"]["n03_2.JPEG"] = b"damaged"
    with pytest.raises(DataError, match=r"n03_2\.JPEG"):
        preprocess(archives, tmp_path / "three")


def test_two_calls_at_once(archives, tmp_path):
    preprocess(archives, tmp_path / "other")
    workspace = tmp_path / ".store.building"
    workspace.mkdir()
    with building.open_locked(workspace / "lock"), pytest.raises(UserError, match="Another process is building"):
        preprocess(archives, tmp_path)


def test_a_disk_that_is_too_small_is_named_before_the_start(archives, tmp_path, monkeypatch, capsys):
    usage = building.shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(building.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFull, match=r"Not enough disk space in .* needed"):
        preprocess(archives, tmp_path)
    assert "of disk space needed, 1.0 kB free" in capsys.readouterr().out


def test_a_disk_that_fills_up(archives, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record_units.GrowingArray, "append", full)
    with pytest.raises(DiskFull, match="Not enough disk space"):
        preprocess(archives, tmp_path)


# --- what the user has to bring ----------------------------------------------------------------------------------


def test_download_says_what_to_bring(tmp_path):
    with pytest.raises(DataError) as caught:
        ImageNet().download(tmp_path)
    message = str(caught.value)
    assert "https://image-net.org/download-images.php" in message
    for file in raw.MANUAL_FILES:
        assert file.name in message
        assert file.digest in message
    assert "147897477120 bytes (147.9 GB)" in message
    assert str(tmp_path) in message
    assert not any(tmp_path.iterdir())  # nothing is fetched before


def test_a_file_of_the_wrong_size_is_noticed_at_once(tmp_path):
    for file in raw.MANUAL_FILES:
        (tmp_path / file.name).write_bytes(b"login page")
    with pytest.raises(DataError, match=f"10 bytes, but it should have more.*{raw.TRAIN}"):
        ImageNet().download(tmp_path)


def test_contents_are_checked_once(tmp_path, monkeypatch):
    file = raw.ManualFile("a.tar", 5, "md5", "5d41402abc4b2a76b9719d911017c592", "hello")
    (tmp_path / "a.tar").write_bytes(b"hello")
    raw.check_present(tmp_path, (file,))
    raw.check_content(tmp_path, (file,))
    assert list(json.loads((tmp_path / raw.VERIFIED).read_text())) == ["a.tar"]
    with monkeypatch.context() as patched:
        patched.setattr(raw, "_digest", None)
        raw.check_content(tmp_path, (file,))
    (tmp_path / "a.tar").write_bytes(b"jello")
    with pytest.raises(DataError, match=r"its md5 is .*, expected 5d41402abc4b2a76b9719d911017c592"):
        raw.check_content(tmp_path, (file,))
