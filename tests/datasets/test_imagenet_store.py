"""From archives to the store: contents, mistakes, interruptions."""

import errno
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algoperf.data.store import build_units as building
from algoperf.data.store import record_units
from algoperf.data.store.blobs import BlobReader
from algoperf.data.store.store import Store
from algoperf.datasets.imagenet import raw
from algoperf.datasets.imagenet import shards as imagenet_shards
from algoperf.datasets.imagenet.dataset import ImageNet
from algoperf.errors import DataError, DiskFull, UserError
from image_archives import CLASSES, IDS, Archives, jpeg, picture

ONE_SHARD_EACH = ImageNet(shard_bytes=1)


@pytest.fixture
def archives() -> Archives:
    return Archives()


def preprocess(archives: Archives, folder: Path, dataset: ImageNet = ONE_SHARD_EACH) -> Path:
    dataset.preprocess(archives.write(folder / "raw"), folder / "store")
    return folder / "store"


def records(store: Path, split: str) -> list[tuple[bytes, int]]:
    reader = BlobReader(store, split)
    return [(reader.read(row), int(reader.fields["targets"][row])) for row in range(len(reader))]


def saved(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


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


def test_cmyk_and_png_become_rgb_jpegs(archives, tmp_path):
    smooth = Image.fromarray(picture(0, 3, 4)).resize((64, 48), Image.Resampling.BICUBIC)
    archives.train["n02"]["n02_1.JPEG"] = saved(smooth.convert("CMYK"), "JPEG")
    archives.train["n02"]["n02_2.JPEG"] = saved(smooth, "PNG")
    found = records(preprocess(archives, tmp_path), "train")[4:8]
    assert found[0][0] == archives.train["n02"]["n02_0.JPEG"]
    for data, label in found[1:3]:
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode, image.size, label) == ("JPEG", "RGB", (64, 48), 1)
        assert np.abs(np.asarray(image, int) - np.asarray(smooth, int)).mean() < 6


def ramp(mode: str) -> bytes:
    """A PNG of grey values from 0 to the largest of 16 bits, from left to right."""
    return saved(Image.fromarray(np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))), mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_values_of_16_bits_are_scaled(archives, tmp_path, kind):
    archives.train["n01"]["n01_0.JPEG"] = ramp(kind)
    data, _ = records(preprocess(archives, tmp_path), "train")[0]
    found = np.asarray(Image.open(io.BytesIO(data)).convert("L"), int)[24]
    assert np.abs(found - np.linspace(0, 255, 64)).max() < 5


MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_any_mode_become_rgb(archives, tmp_path, mode):
    archives.train["n01"]["n01_0.JPEG"] = saved(Image.new("RGB", (40, 30), (255, 255, 255)).convert(mode), "PNG")
    image = Image.open(io.BytesIO(records(preprocess(archives, tmp_path), "train")[0][0]))
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.asarray(image).min() > 250


def animation() -> bytes:
    buffer, frames = io.BytesIO(), [Image.fromarray(picture(seed)) for seed in (1, 2)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


ODD = {
    "bomb": (lambda: saved(Image.new("L", (20_000, 10_000)), "PNG"), "too many pixels"),
    "smaller bomb": (lambda: saved(Image.new("1", (14_000, 10_000)), "PNG"), "it has 14000 x 10000 pixels"),
    "bomb of a JPEG": (lambda: saved(Image.new("L", (20_000, 10_000)), "JPEG"), "it has 20000 x 10000 pixels"),
    "animation": (animation, "an animation of 2 frames"),
    "32 bits": (lambda: saved(Image.fromarray(np.full((9, 9), 1 << 20, np.int32)), "TIFF"), "8 or 16 bits"),
    "floating point": (lambda: saved(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "floating point"),
    "truncated PNG": (lambda: ramp("PNG")[:-80], "no image, or incomplete"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no image"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_refused_by_name(archives, tmp_path, kind):
    make, message = ODD[kind]
    archives.train["n03"]["n03_2.JPEG"] = make()
    with pytest.raises(DataError, match=rf"n03_2\.JPEG in n03\.tar in .*{raw.TRAIN} is damaged: .*{message}"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


# --- rebuilt archives -------------------------------------------------------------------------------------------


def named(archives: Archives, name) -> Archives:
    """The archives with other names of validation pictures: `name` maps the published name and its class."""
    classes = {number: wnid for wnid, number in IDS.items()}
    labels = [classes[number] for number in archives.truth]
    pairs = zip(archives.validation.items(), labels, strict=True)
    archives.validation = {name(old, wnid): data for (old, data), wnid in pairs}
    return archives


@pytest.mark.parametrize(
    "name",
    [
        lambda old, wnid: old,
        lambda old, wnid: f"val/{old}",
        lambda old, wnid: f"./{old}",
        lambda old, wnid: f"val/{wnid}/{old}",  # sorted by name, labels would be permuted
        lambda old, wnid: old.replace("0000000", "").replace(".JPEG", ".jpg"),
    ],
)
@pytest.mark.parametrize("order", [list, lambda items: list(items)[::-1]])
def test_labels_belong_to_numbers_wherever_a_picture_lies(archives, tmp_path, name, order):
    expected = records(preprocess(archives, tmp_path / "published"), "validation")
    archives.validation = dict(order(named(archives, name).validation.items()))
    assert records(preprocess(archives, tmp_path / "rebuilt"), "validation") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (lambda old, wnid: old.replace("ILSVRC2012_val_", ""), "is not named ILSVRC2012_val_N.JPEG"),
        (lambda old, wnid: old.replace("01.", "09."), r"val_00000009\.JPEG is not named .* N from 1 to 6"),
        (lambda old, wnid: "val/" * ("02." in old) + old.replace("02.", "03."), "both .* and .* have the number 3"),
        (
            lambda old, wnid: f"n02/{old}",
            r"n02/ILSVRC2012_val_0000000\d\.JPEG lies in the folder of n02, but its label",
        ),
    ],
)
def test_labels_that_cannot_be_found_are_refused(archives, tmp_path, name, message):
    named(archives, name)
    with pytest.raises(DataError, match=rf"{raw.VALIDATION} is not the published archive: .*{message}"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


def test_a_training_picture_of_another_class_is_refused(archives, tmp_path):
    archives.train["n01"]["n02_9.JPEG"] = archives.train["n01"].pop("n01_3.JPEG")
    with pytest.raises(DataError, match=rf"{raw.TRAIN} is not the published archive: n02_9\.JPEG lies in n01\.tar"):
        preprocess(archives, tmp_path)


def test_a_grey_jpeg_is_kept(archives, tmp_path):
    grey = archives.train["n01"]["n01_0.JPEG"] = saved(Image.fromarray(picture(3)).convert("L"), "JPEG")
    assert records(preprocess(archives, tmp_path), "train")[0][0] == grey


@pytest.mark.parametrize("damage", [lambda data: data[:400], lambda data: b"not an image", lambda data: b""])
def test_a_damaged_image_is_named(archives, tmp_path, damage):
    archives.train["n03"]["n03_2.JPEG"] = damage(archives.train["n03"]["n03_2.JPEG"])
    with pytest.raises(DataError, match=rf"n03_2\.JPEG in n03\.tar in .*{raw.TRAIN} is damaged"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


def test_a_damaged_validation_image_is_named(archives, tmp_path):
    archives.validation["ILSVRC2012_val_00000003.JPEG"] = jpeg(1)[:300]
    with pytest.raises(DataError, match=rf"ILSVRC2012_val_00000003\.JPEG in .*{raw.VALIDATION} is damaged"):
        preprocess(archives, tmp_path)


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
