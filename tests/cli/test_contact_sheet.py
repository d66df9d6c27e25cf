"""`algoperf contact-sheet`: a PNG that shows what is in the batch."""

import numpy as np
import pytest
from PIL import Image

from algoperf import cli
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.images.contact_sheet import draw_beside, draw_sheet, label, to_pixels
from algoperf.datasets.cifar.dataset import CIFAR10, MEAN, STDDEV
from algoperf.errors import UserError
from places import TEST_SUBMISSIONS
from trial_runs import Run


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


def test_pictures_beside_each_other_have_the_contrast_of_one_column():
    rng = np.random.default_rng(0)
    target, other = rng.uniform(-3, 3, (2, 2, 100, 120)).astype(np.float32)
    other[0, 0, :2] = -9, 9  # darker and brighter than the target's darkest and brightest
    sheet = np.asarray(draw_beside({"input": other, "target": target}, "target"))
    assert sheet.shape == (14 + 2 * 104, 2 * 124)
    shown = sheet[14:114, 124:244]
    assert (shown.min(), shown.max()) == (0, 255)
    np.testing.assert_allclose(shown / 255, (target[0] - target[0].min()) / np.ptp(target[0]), atol=1 / 255)
    assert sheet[14, :2].tolist() == [0, 255]


def test_targets_that_are_pictures_stand_beside_the_inputs(prepare, tmp_path):
    """With a checkpoint, its model's pictures too. Other outputs are no pictures."""
    from algoperf.workload.registry import find_workload

    data = prepare(find_workload("fastmri").at("mini").dataset, "mini")
    file = tmp_path / "sheet.png"
    run(data, "--workload", "fastmri", "--scale", "mini", "--split", "test", "--num-images", "3", "--output", str(file))
    assert np.asarray(Image.open(file)).shape == (14 + 3 * 100, 2 * 100)
    with pytest.raises(UserError, match="The outputs of cifar are not pictures: leave out --checkpoint"):
        run(data, "--workload", "cifar", "--scale", "mini", "--checkpoint", str(tmp_path))


def test_reconstructions_are_those_of_the_checkpoint(prepare, tmp_path):
    from algoperf.workload.registry import find_workload

    data = prepare(find_workload("fastmri").at("mini").dataset, "mini")
    options = {"workload": "fastmri", "scale": "mini", "max_global_steps": 1, "eval_every_steps": 1}
    trial = Run(TEST_SUBMISSIONS / "broken" / "sound.py", "pytorch", data, tmp_path / "runs", options)
    assert trial.here() == 0
    [checkpoint] = (tmp_path / "runs").rglob("checkpoint_*")
    file = tmp_path / "sheet.png"
    given = ("--workload", "fastmri", "--scale", "mini", "--split", "test", "--num-images", "2", "--output", str(file))
    run(data, *given, "--checkpoint", str(checkpoint))
    sheet = np.asarray(Image.open(file))
    assert sheet.shape == (14 + 2 * 100, 3 * 100)
    assert len(np.unique(sheet[14:110, 200:296])) > 20, "something is drawn"
    assert (sheet[14:110, 200:296] != sheet[14:110, :96]).any()
