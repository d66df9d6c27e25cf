import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store
from algoperf.datasets import digits
from algoperf.datasets.digits import DIGITS
from algoperf.errors import DataError, UserError


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("digits")
    DIGITS.download(directory / "raw")
    DIGITS.preprocess(directory / "raw", directory / "store")
    return directory / "store"


def test_the_scans_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    expected = load_digits()
    images, labels = digits.parse_scans(digits.installed_scans(), "installed")
    np.testing.assert_array_equal(images, expected.images)
    np.testing.assert_array_equal(labels, expected.target)


def test_scikit_learn_is_not_imported(tmp_path):
    code = "import sys; from pathlib import Path; from algoperf.datasets.digits import DIGITS; "
    code += "DIGITS.download(Path(sys.argv[1])); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [path.name for path in tmp_path.iterdir()] == [digits.FILE_NAME]


def test_without_scikit_learn_the_error_says_how_to_get_it(tmp_path):
    """In a process whose path has numpy and this package, but no scikit-learn."""
    code = """
import sys, importlib.machinery
class Hider(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "sklearn" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Hider
from pathlib import Path
from algoperf.datasets.digits import DIGITS
from algoperf.errors import UserError
try:
    DIGITS.download(Path(sys.argv[1]) / "raw")
except UserError as error:
    print(error)
"""
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Run: pip install scikit-learn" in out.stdout
    assert list(tmp_path.iterdir()) == []


def test_miniature_is_the_download(tmp_path):
    DIGITS.download(tmp_path / "a")
    DIGITS.miniature(tmp_path / "b")
    assert (tmp_path / "a" / digits.FILE_NAME).read_bytes() == (tmp_path / "b" / digits.FILE_NAME).read_bytes()


def test_batches(store):
    opened = DIGITS.open(store)
    batch = opened.training(seed=0, batch_size=32, shard=Shard()).batch(0)
    assert (batch["inputs"].shape, batch["inputs"].dtype) == ((32, 8, 8, 1), np.float32)
    assert (batch["targets"].shape, batch["targets"].dtype) == ((32,), np.int32)
    [everything] = opened.evaluation("train", num_examples=1197, batch_size=1197, shard=Shard(), seed=0)
    assert (everything["inputs"].min(), everything["inputs"].max()) == (0, 1)
    np.testing.assert_array_equal(everything["inputs"][..., 0] * 16, Store.open(store).split("train")["inputs"])


def test_splits_hold_every_scan_once(store):
    opened = Store.open(store)
    assert {split: opened.num_examples(split) for split in opened.splits} == digits.SPLIT_SIZES
    images, labels = digits.parse_scans(digits.installed_scans(), "installed")
    scans = [opened.split(split)["inputs"].reshape(-1, 64) for split in opened.splits]
    targets = [opened.split(split)["targets"] for split in opened.splits]
    expected = np.column_stack([images.reshape(1797, -1), labels])
    found = np.column_stack([np.concatenate(scans), np.concatenate(targets)])
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    assert not np.array_equal(found, expected)  # shuffled


@pytest.mark.parametrize("split", digits.SPLIT_SIZES)
def test_splits_mix_the_classes(store, split):
    shares = np.bincount(Store.open(store).split(split)["targets"], minlength=10) / digits.SPLIT_SIZES[split]
    assert shares.min() > 0.06
    assert shares.max() < 0.15


def test_made_twice_is_the_same(store, tmp_path):
    DIGITS.download(tmp_path / "raw")
    DIGITS.preprocess(tmp_path / "raw", tmp_path / "store")
    assert DIGITS.open(tmp_path / "store").hash == DIGITS.open(store).hash


def test_damaged_or_missing_raw_file(tmp_path):
    with pytest.raises(DataError, match=r"is not there\. Run the `download` task"):
        DIGITS.preprocess(tmp_path / "raw", tmp_path / "store")
    DIGITS.download(tmp_path / "raw")
    path = tmp_path / "raw" / digits.FILE_NAME
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{path} is not the file of scans expected"):
        DIGITS.preprocess(tmp_path / "raw", tmp_path / "store")
    DIGITS.download(tmp_path / "raw")  # repairs it
    DIGITS.preprocess(tmp_path / "raw", tmp_path / "store")
    assert DIGITS.open(tmp_path / "store").num_examples("test") == 300


def test_files_in_the_place_of_the_store_are_left_alone(tmp_path):
    DIGITS.download(tmp_path)
    with pytest.raises(UserError, match="not a dataset store"):
        DIGITS.preprocess(tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [digits.FILE_NAME]


def test_a_store_of_mnist_is_not_digits(store):
    from algoperf.datasets.mnist.dataset import MNIST

    with pytest.raises(DataError, match="holds the dataset 'digits', but 'mnist' is needed"):
        MNIST.open(store)
