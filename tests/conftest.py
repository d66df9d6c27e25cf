from pathlib import Path

import pytest

from algoperf import random_utils
from algoperf.datasets.base import place
from algoperf.datasets.digits import DIGITS
from algoperf.datasets.mnist import MNIST


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root(tmp_path_factory) -> Path:
    """Root of preprocessed data: digits at scale full, mnist at scale mini. To be read only."""
    raw_root, root = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("data")
    DIGITS.download(place(raw_root, DIGITS, "full"))
    DIGITS.preprocess(place(raw_root, DIGITS, "full"), place(root, DIGITS, "full"))
    MNIST.miniature(place(raw_root, MNIST, "mini"))
    MNIST.preprocess(place(raw_root, MNIST, "mini"), place(root, MNIST, "mini"))
    return root


@pytest.fixture(scope="module", autouse=True)
def _keys_of_the_default_framework():
    """Undo what `load_backend` sets for a whole process."""
    before = random_utils._framework
    yield
    random_utils.use_framework(before)
