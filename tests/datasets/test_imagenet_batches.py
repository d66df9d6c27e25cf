"""Batches out of the miniature: form, order, shards, workers, mixing."""

from pathlib import Path

import numpy as np
import pytest

from algoperf.data.batches.arrays import shard_slice
from algoperf.data.batches.order import Shuffled, sample
from algoperf.data.contracts import PrefetchedBatches, Shard
from algoperf.data.store.blobs import BlobReader
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import WorkerPool
from algoperf.datasets import textures
from algoperf.datasets.imagenet import miniature, raw
from algoperf.datasets.imagenet.batches import OpenImageNet
from algoperf.datasets.imagenet.dataset import MEAN, STDDEV, ImageNet
from algoperf.datasets.imagenet.examples import Recipe
from algoperf.datasets.imagenet.miniature import class_names
from algoperf.errors import DataError, UserError

SIZE = 32


@pytest.fixture(scope="module")
def raw_dir(raw_data) -> Path:
    return raw_data(ImageNet(), "mini")


@pytest.fixture(scope="module")
def store(raw_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet") / "store"
    ImageNet(shard_bytes=1 << 20).preprocess(raw_dir, folder)
    return folder


@pytest.fixture(scope="module", params=[0, 1, 2])
def pool(request):
    made = WorkerPool(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def no_workers() -> WorkerPool:
    return WorkerPool(0)


def opened(store: Path, pool: WorkerPool, *, augment: bool = False) -> OpenImageNet:
    return OpenImageNet(store, Recipe(SIZE, MEAN, STDDEV, augment), 10, lambda: pool)


def assert_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


# --- the miniature -----------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch) -> None:
    """The miniature is smaller still."""
    monkeypatch.setattr(miniature, "NUM_IMAGES", {"train": 100, "validation": 50, "test": 50})


@pytest.mark.usefixtures("small")
def test_the_miniature_is_always_the_same(tmp_path):
    for name in ("first", "second"):
        ImageNet().miniature(tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert (tmp_path / "second" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.full
def test_the_whole_miniature_is_always_the_same(raw_dir, tmp_path):
    ImageNet().miniature(tmp_path)
    for path in raw_dir.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.usefixtures("small")
def test_the_miniature_does_not_replace_other_files(tmp_path):
    (tmp_path / raw.TRAIN).write_bytes(b"the real one")
    with pytest.raises(UserError, match="holds something else than the miniature"):
        ImageNet().miniature(tmp_path)


def test_labels_and_sizes_of_the_miniature(raw_dir, store):
    kit = raw.read_devkit(raw_dir / raw.DEVKIT)
    assert kit.classes == class_names()
    dataset = ImageNet().open(store)
    assert [dataset.num_examples(split) for split in ("train", "eval_train", "validation", "test")] == [
        2000, 2000, 500, 500,
    ]  # fmt: skip
    for split in ("train", "validation", "test"):
        fields = Store.open(store).split(split)
        assert set(np.bincount(fields["targets"]).tolist()) == {len(fields["targets"]) // 10}
        assert fields["heights"].min() >= 48
        assert fields["widths"].max() <= 72
        assert len(np.unique(fields["heights"])) > 20


def test_labels_are_those_of_the_pictures(store, no_workers):
    """The stripes of classes 0 and 1 are horizontal and vertical, in every split."""
    for split in ("train", "validation", "test"):
        count = Store.open(store).num_examples(split)
        [batch] = opened(store, no_workers).evaluation(
            split, num_examples=count, batch_size=count, shard=Shard(), seed=0
        )
        grey = batch["inputs"].mean(axis=-1)
        along_y, along_x = (np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2))
        horizontal = along_y > along_x
        assert horizontal[batch["targets"] == 0].mean() > 0.95
        assert horizontal[batch["targets"] == 1].mean() < 0.05


def test_every_class_has_a_pattern():
    assert len(textures.PATTERNS) == textures.NUM_CLASSES
    rng = np.random.default_rng(0)
    for label in range(textures.NUM_CLASSES):
        assert textures.draw(label, 40, 50, rng).shape == (40, 50, 3)


# --- training ----------------------------------------------------------------------------------------------------


def test_form_of_training_batches(store, no_workers):
    plain = opened(store, no_workers).training(seed=0, batch_size=16, shard=Shard()).batch(0)
    assert {name: (array.shape, array.dtype) for name, array in plain.items()} == {
        "inputs": ((16, SIZE, SIZE, 3), np.float32), "targets": ((16,), np.int32),
    }  # fmt: skip
    mixed = opened(store, no_workers, augment=True).training(seed=0, batch_size=16, shard=Shard()).batch(0)
    assert {name: (array.shape, array.dtype) for name, array in mixed.items()} == {
        "inputs": ((16, SIZE, SIZE, 3), np.float32), "targets": ((16, 10), np.float32),
    }  # fmt: skip


@pytest.mark.parametrize("augment", [False, True])
def test_training_batches_depend_on_seed_and_position_only(store, pool, no_workers, augment):
    expected = opened(store, no_workers, augment=augment).training(seed=3, batch_size=24, shard=Shard())
    batches = opened(store, pool, augment=augment).training(seed=3, batch_size=24, shard=Shard())
    assert isinstance(batches, PrefetchedBatches)
    pending = [(position, batches.begin(position)) for position in (5, 0, 83, 0)]  # 83 is in two epochs
    for position, batch in pending:
        assert_equal(batch.result(), expected.batch(position))
    assert (expected.batch(0)["inputs"] != expected.batch(1)["inputs"]).any()
    other_seed = opened(store, pool, augment=augment).training(seed=4, batch_size=24, shard=Shard())
    assert (other_seed.batch(0)["inputs"] != expected.batch(0)["inputs"]).mean() > 0.9


@pytest.mark.parametrize("augment", [False, True])
def test_shards_together_have_the_global_batch(store, pool, no_workers, augment):
    """Also where a row is mixed with the last one of another shard."""
    whole = opened(store, no_workers, augment=augment).training(seed=1, batch_size=24, shard=Shard()).batch(7)
    parts = [
        opened(store, pool, augment=augment).training(seed=1, batch_size=24, shard=Shard(index, 3)).batch(7)
        for index in range(3)
    ]
    assert_equal({name: np.concatenate([part[name] for part in parts]) for name in whole}, whole)


def test_examples_are_those_of_the_order(store, no_workers):
    labels = Store.open(store).split("train")["targets"]
    batches = opened(store, no_workers).training(seed=5, batch_size=100, shard=Shard())
    seen = np.concatenate([batches.batch(position)["targets"] for position in range(3)])
    np.testing.assert_array_equal(seen, labels[Shuffled(2000, 5).indices(0, 300)])


def test_an_example_looks_different_in_every_epoch(store, no_workers):
    order = Shuffled(2000, 5)
    first, second = order.indices(0, 2000), order.indices(2000, 2000)
    batches = opened(store, no_workers).training(seed=5, batch_size=1, shard=Shard())
    position = 2000 + int(np.flatnonzero(second == first[0])[0])
    assert (batches.batch(0)["inputs"] != batches.batch(position)["inputs"]).mean() > 0.9


def test_mixing_is_with_the_row_before_of_the_global_batch(store, no_workers):
    batches = opened(store, no_workers, augment=True).training(seed=2, batch_size=12, shard=Shard())
    labels = Store.open(store).split("train")["targets"][Shuffled(2000, 2).indices(0, 12)]
    batch = batches.batch(0)
    one_hot = np.eye(10)[labels]
    targets = batch["targets"]
    different = labels != np.roll(labels, 1)
    share = targets[different, labels[different]]
    assert np.ptp(share) < 1e-6  # one weight per batch
    expected = share[0] * one_hot + (1 - share[0]) * np.roll(one_hot, 1, axis=0)
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    # The inputs too: with the pictures as they are without mixing.
    plain = batches._maker.source.plain
    alone = np.empty_like(batch["inputs"])
    for row, example in enumerate(Shuffled(2000, 2).indices(0, 12).tolist()):
        plain.make(row, example, alone[row])
    mixed = share[0] * alone + (1 - share[0]) * np.roll(alone, 1, axis=0)
    np.testing.assert_allclose(batch["inputs"], mixed, atol=1e-5)


def test_mixing_weights_are_beta_distributed(store, no_workers):
    from scipy import stats

    batches = opened(store, no_workers, augment=True).training(seed=2, batch_size=2, shard=Shard())
    shares = [batches._maker.make_tasks(position, 64)[0].content[3] for position in range(2_000)]
    assert stats.kstest(shares, stats.beta(0.2, 0.2).cdf).pvalue > 0.01


def test_half_of_the_pictures_are_mirrored(store, no_workers):
    """Class 7 of the textures apart, nothing tells; so the drawn numbers are looked at."""
    recipe_inputs = []

    class Spy(Recipe):
        def training(self, data, uniform, out):
            recipe_inputs.append(uniform[40])

    dataset = OpenImageNet(store, Spy(SIZE, MEAN, STDDEV, False), 10, lambda: no_workers)
    batches = dataset.training(seed=0, batch_size=500, shard=Shard())
    for position in range(4):
        batches.batch(position)
    assert np.mean(np.array(recipe_inputs) < 0.5) == pytest.approx(0.5, abs=0.04)
    assert len(set(recipe_inputs)) == 2_000


def test_a_batch_that_cannot_be_divided(store, no_workers):
    with pytest.raises(UserError, match="batch size of 10 cannot be split among 4"):
        opened(store, no_workers).training(seed=0, batch_size=10, shard=Shard(0, 4))


# --- evaluation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_shards", [1, 3])
@pytest.mark.parametrize("split", ["validation", "test", "eval_train"])
def test_evaluation_has_every_example_once(store, pool, no_workers, split, num_shards):
    count = 170 if split == "eval_train" else 500
    [whole] = opened(store, no_workers).evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=9)
    shards = [
        list(opened(store, pool).evaluation(split, num_examples=count, batch_size=48, shard=shard, seed=9))
        for shard in (Shard(index, num_shards) for index in range(num_shards))
    ]
    together = {
        name: np.concatenate([np.concatenate([part[name] for part in parts]) for parts in zip(*shards, strict=True)])
        for name in whole
    }
    assert together["weights"].sum() == count
    assert (together["weights"][:count] == 1).all()
    assert not together["inputs"][count:].any()
    assert_equal({name: array[:count] for name, array in together.items()}, whole)


def test_evaluation_batches_can_be_indexed(store, pool):
    batches = opened(store, pool).evaluation("test", num_examples=500, batch_size=200, shard=Shard(), seed=0)
    assert len(batches) == 3
    assert_equal(batches[-1], batches[2])
    assert [int(batch["weights"].sum()) for batch in batches[1:]] == [200, 100]
    with pytest.raises(IndexError):
        batches[3]


def test_evaluation_may_be_left_early(store, pool):
    dataset = opened(store, pool)
    for _ in range(3):
        iterator = iter(dataset.evaluation("test", num_examples=500, batch_size=100, shard=Shard(), seed=0))
        next(iterator)
        iterator.close()
    assert len(list(dataset.evaluation("test", num_examples=500, batch_size=100, shard=Shard(), seed=0))) == 5


def test_eval_train_is_a_sample(store, no_workers):
    labels = Store.open(store).split("train")["targets"]
    [batch] = opened(store, no_workers).evaluation("eval_train", num_examples=50, batch_size=50, shard=Shard(), seed=4)
    np.testing.assert_array_equal(batch["targets"], labels[sample(2000, 50, 4)])


def test_more_examples_than_there_are(store, no_workers):
    with pytest.raises(UserError, match="Allowed: 1 to 500"):
        opened(store, no_workers).evaluation("test", num_examples=501, batch_size=1, shard=Shard(), seed=0)


# --- the store, used ---------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(store, tmp_path) -> Path:
    """A store with a damaged picture, whose files have the right sizes."""
    copy = tmp_path / "damaged"
    for path in store.rglob("*.*"):
        target = copy / path.relative_to(store)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    shard, offset, length = np.load(copy / "train" / "index.npy")[17]
    path = copy / "train" / f"shard_{shard:05d}.npy"
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(int(length))
    path.write_bytes(content)
    return copy


@pytest.mark.parametrize("augment", [False, True])
def test_a_damaged_picture_ends_training_with_its_name(damaged, pool, augment):
    batches = opened(damaged, pool, augment=augment).training(seed=0, batch_size=500, shard=Shard())
    with pytest.raises(DataError, match="Example 17 of split 'train': this is no JPEG"):
        [batches.batch(position) for position in range(5)]


def test_reading_beyond_the_end_of_a_shard(store, tmp_path, damaged):
    reader = BlobReader(damaged, "test")
    (damaged / "test" / "shard_00000.npy").write_bytes(b"short")
    with pytest.raises(DataError, match="ends within record"):
        reader.read(499)


def test_shard_slice_is_the_one_of_arrays():
    assert shard_slice(24, Shard(1, 3)) == slice(8, 16)
