import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.store.store import Store
from algoperf.datasets.archives import tar_of
from algoperf.datasets.cifar import dataset as cifar
from algoperf.datasets.cifar import miniature
from algoperf.datasets.cifar.dataset import CIFAR10
from algoperf.errors import DataError, UserError


@pytest.fixture(scope="module")
def raw(raw_data) -> Path:
    return raw_data(CIFAR10, "mini")


@pytest.fixture(scope="module")
def store(prepare) -> Path:
    return dataset_dir(prepare(CIFAR10, "mini"), CIFAR10, "mini")


def everything(store: Path, split: str) -> dict[str, np.ndarray]:
    dataset = CIFAR10.open(store)
    count = dataset.num_examples(split)
    [batch] = dataset.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0)
    return batch


def pixels(inputs: np.ndarray) -> np.ndarray:
    """Undo the normalisation."""
    return np.round((inputs * np.array(cifar.STDDEV) + np.array(cifar.MEAN)) * 255).astype(int)


def test_sizes_and_form(store):
    dataset = CIFAR10.open(store)
    assert [dataset.num_examples(split) for split in ("train", "eval_train", "validation", "test")] == [
        4500, 4500, 500, 500,
    ]  # fmt: skip
    batch = dataset.training(seed=0, batch_size=8, shard=Shard()).batch(0)
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == {
        "inputs": ((8, 32, 32, 3), np.float32), "targets": ((8,), np.int32),
    }  # fmt: skip


@pytest.fixture
def small(monkeypatch) -> None:
    """The miniature is smaller still."""
    monkeypatch.setattr(miniature, "PER_TRAIN_FILE", 50)
    monkeypatch.setattr(miniature, "PER_TEST_FILE", 50)


@pytest.mark.usefixtures("small")
def test_the_miniature_is_always_the_same(tmp_path):
    for name in ("first", "second"):
        CIFAR10.miniature(tmp_path / name)
    first, second = (tmp_path / name / cifar.ARCHIVE.name for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.full
def test_the_whole_miniature_is_always_the_same(raw, tmp_path):
    CIFAR10.miniature(tmp_path)
    assert (tmp_path / cifar.ARCHIVE.name).read_bytes() == (raw / cifar.ARCHIVE.name).read_bytes()


@pytest.mark.usefixtures("small")
def test_the_miniature_does_not_replace_other_files(tmp_path):
    (tmp_path / cifar.ARCHIVE.name).write_bytes(b"the real one")
    with pytest.raises(UserError, match="holds something else than the miniature"):
        CIFAR10.miniature(tmp_path)


def archive(directory: Path, **changes: bytes | None) -> Path:
    """An archive of ten pictures per file: picture n has red n, green 100 + n, blue 200 + row."""
    files = {}
    for number, name in enumerate([*cifar.TRAIN_FILES, cifar.TEST_FILE]):
        records = b""
        for row in range(10):
            blue = bytes(200 + y for y in range(32) for _ in range(32))
            records += bytes([row]) + bytes([10 * number + row]) * 1024 + bytes([100 + row]) * 1024 + blue
        files[name] = records
    files.update({name.replace("__", "."): content for name, content in changes.items()})
    members = {f"cifar-10-batches-bin/{name}": content for name, content in files.items() if content is not None}
    directory.mkdir(exist_ok=True)
    (directory / cifar.ARCHIVE.name).write_bytes(gzip.compress(tar_of(members)))
    return directory


def test_planes_become_channels_and_validation_is_the_end_of_the_files(tmp_path):
    CIFAR10.preprocess(archive(tmp_path / "raw"), tmp_path / "store")
    store = Store.open(tmp_path / "store")
    train, validation, test = (store.split(name) for name in ("train", "validation", "test"))
    np.testing.assert_array_equal(train["inputs"][:, 5, 9, 0], np.arange(45))
    np.testing.assert_array_equal(validation["inputs"][:, 0, 0, 0], np.arange(45, 50))
    np.testing.assert_array_equal(test["inputs"][:, 0, 0, 0], np.arange(50, 60))
    np.testing.assert_array_equal(train["inputs"][3, :, 7, 2], 200 + np.arange(32))
    np.testing.assert_array_equal(train["targets"], np.arange(45) % 10)


def test_normalisation(store):
    stored = Store.open(store).split("test")["inputs"]
    expected = (stored / 255 - np.array(cifar.MEAN)) / np.array(cifar.STDDEV)
    np.testing.assert_allclose(everything(store, "test")["inputs"], expected, atol=1e-6)


def test_training_pictures_are_shifted_and_mirrored_copies(store):
    stored = Store.open(store).split("train")
    batch = CIFAR10.open(store).training(seed=1, batch_size=64, shard=Shard()).batch(0)
    padded = np.pad(stored["inputs"], [(0, 0), (4, 4), (4, 4), (0, 0)])
    shifts, mirrored = [], 0
    for picture, target in zip(pixels(batch["inputs"]), batch["targets"], strict=True):
        candidates = padded[stored["targets"] == target]
        found = [
            (top, left, flip)
            for flip in (False, True)
            for top, left in np.ndindex(9, 9)
            if _one_shows(candidates[:, top : top + 32, left : left + 32], picture[:, :: -1 if flip else 1])
        ]
        assert len(found) == 1
        shifts.append(found[0][:2])
        mirrored += found[0][2]
    assert np.ptp(shifts, axis=0).tolist() == [8, 8]
    assert 16 < mirrored < 48


def _one_shows(candidates: np.ndarray, picture: np.ndarray) -> bool:
    near = candidates[(candidates[:, 16, 16] == picture[16, 16]).all(axis=-1)]  # a pixel first: it saves time
    return bool((near == picture).all(axis=(1, 2, 3)).any())


def test_augmentation_of_one_picture():
    picture = np.arange(32 * 32 * 3).reshape(1, 32, 32, 3).astype(np.uint16)
    [moved] = cifar.augment(picture, np.array([[2, -3]]), np.array([False]))
    np.testing.assert_array_equal(moved[2:, :-3], picture[0, :-2, 3:])
    assert not moved[:2].any()
    assert not moved[:, -3:].any()
    [mirrored] = cifar.augment(picture, np.array([[2, -3]]), np.array([True]))
    np.testing.assert_array_equal(mirrored, moved[:, ::-1])


def test_half_are_mirrored_and_shifts_are_uniform(store):
    rng = cifar.keyed_generator("cifar augmentation", 0, 0)
    shifts = rng.integers(-4, 4, size=(9_000, 2), endpoint=True)
    assert np.abs(np.bincount((shifts + 4).ravel(), minlength=9) / 2_000 - 1).max() < 0.1
    assert np.mean(rng.random(9_000) < 0.5) == pytest.approx(0.5, abs=0.02)


def test_batches_do_not_depend_on_the_number_of_shards(store):
    dataset = CIFAR10.open(store)
    whole = dataset.training(seed=1, batch_size=32, shard=Shard()).batch(200)
    parts = [dataset.training(seed=1, batch_size=32, shard=Shard(index, 4)).batch(200) for index in range(4)]
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)


def test_miniature_is_learnable_but_not_trivial(store):
    """Nearest mean spectrum of 50 training pictures per class: above chance, far from perfect."""

    def features(batch: dict[str, np.ndarray]) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft2(batch["inputs"].mean(axis=-1)))
        return np.log(1 + spectrum).reshape(len(spectrum), -1)

    train, test = everything(store, "train"), everything(store, "test")
    groups = [{"inputs": train["inputs"][train["targets"] == label][:50]} for label in range(10)]
    means = np.stack([features(group).mean(axis=0) for group in groups])
    found = ((features(test)[:, None] - means) ** 2).sum(-1).argmin(1)
    assert 0.3 < np.mean(found == test["targets"]) < 0.95


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_batch__bin": None}, "test_batch.bin is not in it"),
        ({"data_batch_2__bin": b"x" * 3072}, "data_batch_2.bin in .* 3072 bytes are no whole number of records"),
        ({"data_batch_3__bin": b""}, "data_batch_3.bin in .* 0 bytes"),
        ({"data_batch_4__bin": bytes([10]) * 3073}, "it has the label 10, allowed are 0 to 9"),
    ],
)
def test_damaged_archives(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        CIFAR10.preprocess(archive(tmp_path / "raw", **changes), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_too_few_pictures_for_validation(tmp_path):
    one_each = {name.replace(".", "__"): bytes(3073) for name in cifar.TRAIN_FILES}
    with pytest.raises(DataError, match=rf"{cifar.ARCHIVE.name} is .* 5 training pictures leave none for validation"):
        CIFAR10.preprocess(archive(tmp_path / "raw", **one_each), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_missing_and_truncated_archives(raw, tmp_path):
    with pytest.raises(DataError, match=r"is not there\. Run the `download` task"):
        CIFAR10.preprocess(tmp_path, tmp_path / "store")
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    content = (copy / cifar.ARCHIVE.name).read_bytes()
    (copy / cifar.ARCHIVE.name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is truncated or corrupt"):
        CIFAR10.preprocess(copy, tmp_path / "store")
