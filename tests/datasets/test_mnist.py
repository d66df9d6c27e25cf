import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.store.store import Store
from algoperf.datasets.mnist import dataset as mnist
from algoperf.datasets.mnist import miniature
from algoperf.datasets.mnist.dataset import MNIST
from algoperf.datasets.mnist.idx import encode_idx, read_idx
from algoperf.errors import DataError, UserError


@pytest.fixture(scope="module")
def raw(raw_data) -> Path:
    return raw_data(MNIST, "mini")


@pytest.fixture(scope="module")
def store(prepare) -> Path:
    return dataset_dir(prepare(MNIST, "mini"), MNIST, "mini")


@pytest.fixture
def raw_copy(raw, tmp_path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "raw"))


def everything(store: Path, split: str) -> dict[str, np.ndarray]:
    """The whole split as one batch."""
    opened = MNIST.open(store)
    count = opened.num_examples(split)
    [batch] = opened.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0)
    return batch


def test_miniature_sizes(store):
    opened = MNIST.open(store)
    sizes = {split: opened.num_examples(split) for split in ("train", "eval_train", "validation", "test")}
    assert sizes == {"train": 20_000, "eval_train": 20_000, "validation": 4_000, "test": 4_000}


def test_batches_have_the_published_form(store):
    batch = MNIST.open(store).training(seed=0, batch_size=64, shard=Shard()).batch(0)
    assert (batch["inputs"].shape, batch["inputs"].dtype) == ((64, 28, 28, 1), np.float32)
    assert (batch["targets"].shape, batch["targets"].dtype) == ((64,), np.int32)


def test_pixels_are_normalised_without_division_by_255(store):
    inputs = everything(store, "test")["inputs"]
    pixels = Store.open(store).split("test")["inputs"]
    np.testing.assert_allclose(inputs[..., 0], (pixels.astype(np.float64) - 0.1307) / 0.3081, rtol=1e-6)
    assert inputs.min() == np.float32(-0.42421297)
    assert inputs.max() == pytest.approx(827.2291, rel=1e-6)  # the brightest possible pixel occurs


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_split_has_every_class(store, split):
    counts = np.bincount(everything(store, split)["targets"], minlength=10)
    assert len(counts) == 10
    assert counts.min() > 0.05 * counts.sum()


def test_miniature_is_learnable(store):
    """A linear classifier is far above chance (0.1) on images of scans that it has not seen, shifted as they are."""
    train, test = everything(store, "train"), everything(store, "test")
    features = [batch["inputs"].reshape(len(batch["inputs"]), -1) / 800 for batch in (train, test)]
    gram = features[0].T @ features[0] + 30 * np.eye(784)
    weights = np.linalg.solve(gram, features[0].T @ np.eye(10)[train["targets"]])
    accuracy = np.mean((features[1] @ weights).argmax(axis=1) == test["targets"])
    assert accuracy > 0.5, accuracy


def test_splits_share_no_image(store):
    opened = Store.open(store)
    images = np.concatenate([opened.split(split)["inputs"] for split in opened.splits])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 28_000


def test_validation_is_the_last_sixth_of_the_train_file(raw, store):
    images = read_idx(raw / mnist.TRAIN_IMAGES, (28, 28))
    labels = read_idx(raw / mnist.TRAIN_LABELS, ())
    validation = Store.open(store).split("validation")
    np.testing.assert_array_equal(validation["inputs"], images[20_000:])
    np.testing.assert_array_equal(validation["targets"], labels[20_000:])


def test_the_full_size_splits_as_published(tmp_path):
    """60,000 images become 50,000 and 10,000, by the rule that also cuts the miniature."""
    files = (
        (mnist.TRAIN_IMAGES, (60_000, 28, 28)), (mnist.TRAIN_LABELS, (60_000,)),
        (mnist.TEST_IMAGES, (10_000, 28, 28)), (mnist.TEST_LABELS, (10_000,)),
    )  # fmt: skip
    for name, shape in files:
        (tmp_path / name).write_bytes(encode_idx(np.zeros(shape, np.uint8)))
    MNIST.preprocess(tmp_path, tmp_path / "store")
    opened = MNIST.open(tmp_path / "store")
    assert [opened.num_examples(split) for split in ("train", "validation", "test")] == [
        50_000,
        10_000,
        10_000,
    ]


@pytest.fixture
def small(monkeypatch) -> None:
    """The miniature is smaller still."""
    monkeypatch.setattr(miniature, "NUM_IMAGES", {"train": 500, "validation": 100, "test": 100})


@pytest.mark.usefixtures("small")
def test_made_twice_is_the_same(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        MNIST.miniature(folder / "raw")
        MNIST.preprocess(folder / "raw", folder / "store")
    for path in (first / "raw").iterdir():
        assert (second / "raw" / path.name).read_bytes() == path.read_bytes()
    assert MNIST.open(second / "store").hash == MNIST.open(first / "store").hash


@pytest.mark.full
def test_the_whole_miniature_made_twice_is_the_same(raw, store, tmp_path):
    MNIST.miniature(tmp_path / "raw")
    for path in raw.iterdir():
        assert (tmp_path / "raw" / path.name).read_bytes() == path.read_bytes()
    MNIST.preprocess(tmp_path / "raw", tmp_path / "store")
    assert MNIST.open(tmp_path / "store").hash == MNIST.open(store).hash


def test_preprocessing_again_is_a_no_op(store, tmp_path):
    before = (store / "manifest.json").stat().st_mtime_ns
    MNIST.preprocess(tmp_path / "no raw data needed", store)
    assert (store / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.usefixtures("small")
def test_miniature_does_not_overwrite_a_download(tmp_path):
    (tmp_path / mnist.TRAIN_IMAGES).write_bytes(b"precious")
    with pytest.raises(UserError, match="may be a real download"):
        MNIST.miniature(tmp_path)
    assert (tmp_path / mnist.TRAIN_IMAGES).read_bytes() == b"precious"


@pytest.mark.parametrize("name", [file.name for file in mnist.FILES])
def test_missing_raw_file(raw_copy, tmp_path, name):
    (raw_copy / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is not there.*download"):
        MNIST.preprocess(raw_copy, tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", [file.name for file in mnist.FILES])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_raw_file(raw_copy, tmp_path, name, kept):
    content = (raw_copy / name).read_bytes()
    (raw_copy / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=rf"{name} is truncated or corrupt"):
        MNIST.preprocess(raw_copy, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def header(*numbers: int, magic: bytes = b"\0\0\x08\x03") -> bytes:
    return magic + struct.pack(f">{len(numbers)}I", *numbers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "only 0 bytes"),
        (b"not gzip", "Not a gzipped file"),
        (gzip.compress(header(1), mtime=0), "only 8 bytes"),
        (gzip.compress(header(1, 28, 28) + bytes(783), mtime=0), "783 bytes of values, expected 784"),
        (gzip.compress(header(1, 28, 28) + bytes(785), mtime=0), "785 bytes of values, expected 784"),
        (gzip.compress(header(1, 28, 28, magic=b"\0\0\x0d\x03") + bytes(784), mtime=0), "magic number 00000d03"),
        (gzip.compress(header(1, 28, 28, magic=b"\0\0\x08\x01") + bytes(784), mtime=0), "expected 00000803"),
        (gzip.compress(header(1, 28, 29) + bytes(812), mtime=0), r"rows of shape \(28, 29\)"),
    ],
)
def test_malformed_idx(tmp_path, content, message):
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.gz is truncated or corrupt: .*{message}"):
        read_idx(path, (28, 28))


def test_too_few_images(raw_copy, tmp_path):
    for name, array in {"images": np.zeros((3, 28, 28), np.uint8), "labels": np.zeros(3, np.uint8)}.items():
        file = mnist.TRAIN_IMAGES if name == "images" else mnist.TRAIN_LABELS
        (raw_copy / file).write_bytes(encode_idx(array))
    with pytest.raises(DataError, match=rf"{mnist.TRAIN_IMAGES} has 3 images: too few"):
        MNIST.preprocess(raw_copy, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_labels_that_do_not_fit(raw_copy, tmp_path):
    labels = read_idx(raw_copy / mnist.TRAIN_LABELS, ()).copy()
    (raw_copy / mnist.TRAIN_LABELS).write_bytes(encode_idx(labels[:-1]))
    with pytest.raises(DataError, match=r"has 24,000 images, .* has 23,999 labels"):
        MNIST.preprocess(raw_copy, tmp_path / "store")
    labels[3] = 10
    (raw_copy / mnist.TRAIN_LABELS).write_bytes(encode_idx(labels))
    with pytest.raises(DataError, match="has the label 10"):
        MNIST.preprocess(raw_copy, tmp_path / "store")


def test_real_files_are_those_published():
    assert sum(file.num_bytes for file in mnist.FILES) == 11_594_722
    assert [file.url.rpartition("/")[2] for file in mnist.FILES] == [file.name for file in mnist.FILES]
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in mnist.FILES)
