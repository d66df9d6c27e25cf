"""fastMRI: masks, transforms and prepared slices are those of the reference."""

from __future__ import annotations

import numpy as np
import pytest

import golden
from algoperf.data.contracts import Shard
from algoperf.datasets.fastmri import masks
from algoperf.datasets.fastmri.batches import OpenFastMRI
from algoperf.datasets.fastmri.slices import magnitude, transform_rows
from golden_scans import GOLDEN, golden_dataset, write_golden_scans

# --- masks ----------------------------------------------------------------------------------------------------


def test_uniform_numbers_are_those_of_the_reference():
    expected = golden.arrays("pipelines/fastmri_pipeline")["eval_uniform_seed_0_0"]
    for count in (1, 2, 3, 5, 368, len(expected)):
        found = masks.uniform(count, 0, np.array([3, 0, 7]))
        np.testing.assert_array_equal(found[1], expected[:count])


def test_masks_are_those_of_the_reference():
    for width, columns in GOLDEN["eval_mask_columns"].items():
        assert np.flatnonzero(masks.evaluation_mask(int(width))).tolist() == columns
    training = GOLDEN["train_masks_for_PRNGKey_7"]
    seeds, rows = zip(*training["seeds_of_slices_0_to_5"], strict=True)
    numbers = masks.uniform(400, seeds[0], np.array(rows))
    for row, columns in enumerate(training["columns_width_368"]):
        assert np.flatnonzero(masks.column_mask(368, numbers[row])).tolist() == columns


def test_large_seeds_count_and_masks_keep_about_a_quarter():
    kept = [
        masks.column_mask(368, numbers)
        for seed in (1, 1 << 40, (1 << 64) - 1)
        for numbers in masks.uniform(368, seed, np.arange(50))
    ]
    assert len({mask.tobytes() for mask in kept}) == len(kept)
    assert np.mean(kept) == pytest.approx(0.25, abs=0.01)
    assert all(mask[170:199].all() for mask in kept)


# --- slices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width", "size"), [(640, 368, 320), (640, 372, 320), (160, 93, 80), (41, 23, 15)])
def test_pictures_are_those_of_the_plain_transform(height, width, size):
    """The whole centred transform in two dimensions of the masked slice, in double precision."""
    rng = np.random.default_rng(width)
    kspace = (rng.normal(size=(height, width)) + 1j * rng.normal(size=(height, width))).astype(np.complex64)
    mask = masks.column_mask(width, masks.uniform(width, 3, np.array([4]))[0])
    moved = np.fft.ifftshift(kspace.astype(np.complex128) * mask)
    whole = np.fft.fftshift(np.fft.ifft2(moved, norm="ortho"))
    top, left = (height - size) // 2, (width - size) // 2
    expected = np.abs(whole[top : top + size, left : left + size])
    found = magnitude(transform_rows(kspace, size), mask)
    assert found.dtype == np.float32
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.fixture(scope="module")
def golden_store(tmp_path_factory) -> OpenFastMRI:
    folder = tmp_path_factory.mktemp("golden_scans")
    golden_dataset().preprocess(write_golden_scans(folder / "raw"), folder / "store")
    return golden_dataset().open(folder / "store")


def check_pictures(name: str, field: str, found: np.ndarray) -> None:
    info = GOLDEN[name][field]
    assert list(found.shape) == info["shape"]
    norms = np.linalg.norm(found.reshape(len(found), -1).astype(np.float64), axis=1)
    assert norms == pytest.approx(info["l2_per_slice"], rel=1e-5)
    assert int((np.abs(found) == 6).sum()) == info["clipped_elements"]


def test_prepared_slices_are_those_of_the_reference(golden_store):
    expected, stored = GOLDEN["validation"], golden.arrays("pipelines/fastmri_pipeline")
    [batch] = golden_store.evaluation("validation", num_examples=3, batch_size=3, shard=Shard(), seed=0)
    for name in ("mean", "std", "volume_max"):
        assert batch[name] == pytest.approx(np.array(expected[name], np.float32), rel=1e-6), name
    for name in ("inputs", "targets"):
        check_pictures("validation", name, batch[name])
        thinned = golden.thinned(batch[name], expected[name]["stored_every_kth_k"])
        difference = np.linalg.norm(thinned - stored[f"validation_{name}"])
        assert difference < 1e-5 * np.linalg.norm(stored[f"validation_{name}"])


def test_the_last_batch_is_padded_as_in_the_reference(golden_store):
    expected = GOLDEN["validation_last_batch"]
    [batch] = golden_store.evaluation("test", num_examples=1, batch_size=3, shard=Shard(), seed=0)
    for name in ("weights", "mean", "std", "volume_max"):
        assert batch[name] == pytest.approx(np.array(expected[name], np.float32), rel=1e-6), name
    assert not any(batch[name][1:].any() for name in batch)
