"""`algoperf contact-sheet`: a PNG that shows what is in the batch."""

import numpy as np
import pytest
from PIL import Image

from algoperf import cli
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.images.contact_sheet import draw_sheet, label, to_pixels
from algoperf.datasets.cifar.dataset import CIFAR10, MEAN, STDDEV
from algoperf.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("sheet")
    CIFAR10.miniature(root / "raw")
    CIFAR10.preprocess(root / "raw", dataset_dir(root, CIFAR10, "mini"))
    return root


def run(data, *arguments: str) -> None:
    cli.cli.main(["contact-sheet", "--data-dir", str(data), *arguments], standalone_mode=False)


def test_the_sheet_shows_the_pictures(data, tmp_path, capsys):
    file = tmp_path / "sheet.png"
    run(data, "--workload", "cifar", "--scale", "mini", "--split", "test", "--num-images", "9", "--output", str(file))
    assert f"9 pictures of cifar, test: {file}" in capsys.readouterr().out
    sheet = np.asarray(Image.open(file))
    assert sheet.shape == (3 * (96 + 18), 3 * 100, 3)
    dataset = CIFAR10.open(dataset_dir(data, CIFAR10, "mini"))
    [batch] = dataset.evaluation("test", num_examples=9, batch_size=9, shard=Shard(), seed=0)
    pixels = to_pixels(batch["inputs"], MEAN, STDDEV)
    np.testing.assert_array_equal(sheet[114 : 114 + 96 : 3, 200 : 200 + 96 : 3], pixels[5])


def test_training_pictures_depend_on_the_seed(data, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        file = str(tmp_path / f"{name}.png")
        run(data, "--workload", "cifar", "--scale", "mini", "--seed", str(seed), "--num-images", "4", "--output", file)
    first, again, other = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "abc")
    assert (first == again).all()
    assert (first != other).any()


def test_labels():
    assert label(np.int32(7)) == "7"
    assert label(np.array([0, 0.25, 0.75, 0.001], np.float32)) == "2: 0.75  1: 0.25"


def test_statistics_of_both_kinds_are_undone():
    pixels = np.array([0, 10, 255], np.float32).reshape(1, 1, 3, 1)
    for scale in (1, 255):
        mean, stddev = 0.5 * scale, 0.2 * scale
        inputs = (pixels / (255 / scale) - mean) / stddev
        np.testing.assert_array_equal(to_pixels(inputs, mean, stddev).ravel(), [0, 10, 255])


def test_grey_pictures_can_be_drawn():
    assert draw_sheet(np.zeros((3, 28, 28, 1)), np.arange(3), 0.0, 1.0).mode == "RGB"


def test_inputs_that_are_no_pictures(tmp_path):
    """Said before any data is looked for."""
    with pytest.raises(UserError, match="The inputs of ogbg are not normalised pictures"):
        run(tmp_path, "--workload", "ogbg")
