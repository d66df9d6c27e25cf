"""Baselines stay finite on gradients of any kind: what everybody compares with must not be decided by a NaN."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from odd_gradients import GRADIENTS, Trainer
from places import BASELINES, REPOSITORY

FOLDERS = sorted(path.parent for path in BASELINES.glob("*/submission.py"))
STATISTIC = REPOSITORY.parent / "shared" / "cases" / "21-eigh-of-a-small-statistic" / "statistic.npz"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_parameters_stay_finite(folder):
    trainer = Trainer(folder)
    found = {kind: trainer.train(gradient) for kind, gradient in GRADIENTS.items()}
    broken = {kind: name for kind, params in found.items() for name in params if not np.isfinite(params[name]).all()}
    assert broken == {}
    # Guards against zero must not stop training for good.
    still, moved = found["zero"], found["zero, then normal"]
    assert all(np.abs(moved[name] - still[name]).max() > 1e-7 for name in still)


# --- roots of matrices ------------------------------------------------------------------------------------------


def inverse_fourth_root(framework: str):
    """The function of the baseline, on arrays; the identity is the previous root."""
    path = BASELINES / f"shampoo_{framework}" / "submission.py"
    spec = importlib.util.spec_from_file_location(f"shampoo_{framework}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if framework == "jax":
        import jax

        root = jax.jit(module.inverse_fourth_root)
        return lambda matrix: np.array(root(matrix, np.eye(len(matrix), dtype="f")))
    import torch

    return lambda matrix: module.inverse_fourth_root(torch.from_numpy(matrix), torch.eye(len(matrix))).numpy()


def statistic(size: int, scale: float, dead: float, spread: float) -> np.ndarray:
    """G G^T of a gradient with 32 columns: a share of rows is 0, and the sizes of others differ by `spread`."""
    rng = np.random.default_rng(5)
    gradient = scale * rng.standard_normal((size, 32)) * spread ** -rng.random((size, 1))
    gradient[rng.random(size) < dead] = 0.0
    return (gradient @ gradient.T).astype(np.float32)


STATISTICS = {
    "zero": statistic(16, 0.0, 0.0, 1.0),
    "one entry": np.diag(np.array([1e-20, 0, 0, 0], "f")),
    "identity": np.eye(16, dtype="f"),
    "of low rank": statistic(200, 1.0, 0.0, 1.0),
    "dead channels": statistic(200, 1.0, 0.5, 1.0),
    "small": statistic(200, 1e-10, 0.5, 1e8),
    "tiny": statistic(200, 1e-17, 0.5, 1e2),
    "small and large": statistic(200, 1e-5, 0.5, 1e8),
    "huge": statistic(200, 1e15, 0.5, 1e8),
    "largest": statistic(64, 1e18, 0.0, 1.0),
}


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize("kind", STATISTICS)
def test_roots_of_odd_statistics(framework, kind):
    matrix = STATISTICS[kind]
    root = inverse_fourth_root(framework)(matrix)
    largest = np.linalg.eigvalsh(matrix.astype(np.float64))[-1]
    expected = np.linalg.eigvalsh(matrix.astype(np.float64)).clip(0) + 1e-6 * largest + 1e-30
    assert np.isfinite(root).all()
    # Eigenvalues far below the largest are rounding errors, so only the largest and the ridge are certain.
    sizes = np.linalg.eigvalsh(root.astype(np.float64))
    assert sizes[0] == pytest.approx(expected[-1] ** -0.25, rel=1e-2)
    assert sizes[-1] <= expected[0] ** -0.25 * 1.02


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_a_root_of_a_statistic_that_a_run_had(framework):
    if not STATISTIC.is_file():
        pytest.skip(f"There is no {STATISTIC}.")
    matrix = np.load(STATISTIC)["statistic"]
    assert np.isfinite(inverse_fourth_root(framework)(matrix)).all()


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_previous_root_stays_if_there_is_no_other(framework, value):
    matrix = np.eye(4, dtype="f")
    matrix[1, 1] = value
    np.testing.assert_array_equal(inverse_fourth_root(framework)(matrix), np.eye(4))
