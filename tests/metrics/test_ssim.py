"""Structural similarity on the device: against SciPy's filters, against the reference, and with padded rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import golden
from algoperf.frameworks.ssim import reconstruction_similarity, structural_similarity
from algoperf.frameworks.steps import reconstruction
from bound_workload import bind
from similarity import similarity

GOLDEN = golden.read("metrics/ssim")
STORED = golden.arrays("metrics/ssim")
CASES = sorted({name.partition("__")[0] for name in STORED if name.endswith("__logits")})


class Jax:
    name = "jax"

    def __init__(self):
        import jax

        self.array, self.compile = jax.numpy.asarray, jax.jit


class Torch:
    name = "pytorch"

    def __init__(self):
        import torch

        self.array, self.compile = torch.from_numpy, lambda function: function


@pytest.fixture(scope="module", params=[Jax, Torch])
def kit(request):
    return request.param()


def arrays_of(case: str) -> list[np.ndarray]:
    """Logits, targets, means, deviations and largest values, float32."""
    logits, targets = (STORED[f"{case}__{name}"].astype(np.float32) for name in ("logits", "targets"))
    defaults = {"mean": 0.0, "std": 1.0, "volume_max": 1.0}
    return [logits, targets, *(np.array(GOLDEN[case].get(name, [value] * len(logits)), np.float32)
                               for name, value in defaults.items())]  # fmt: skip


def in_double(logits, targets, means, stds, maxima) -> np.ndarray:
    rows = zip(logits, targets, means.astype(float), stds.astype(float), maxima.astype(float), strict=True)
    return np.array([similarity(x * s + m, y * s + m, v or 1.0) for x, y, m, s, v in rows])


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_definition_and_the_reference(kit, case):
    """The reference adds pictures up in another order, which shows where they are constant."""
    arrays = arrays_of(case)
    found = np.asarray(kit.compile(reconstruction_similarity)(*map(kit.array, arrays)))
    np.testing.assert_allclose(found, in_double(*arrays).clip(-1, 1), atol=1e-6, rtol=0)
    np.testing.assert_allclose(found, GOLDEN[case]["torch"], atol=1e-5 if case == "constant" else 1e-6, rtol=0)


def test_bright_pictures_with_little_contrast(kit):
    """The variance is a small difference of large numbers."""
    rng = np.random.default_rng(0)
    x, y = (100 + rng.normal(size=(2, 2, 40, 40)) * 0.5).astype(np.float32)
    maxima = np.array([4.0, 110.0], np.float32)
    found = np.asarray(kit.compile(structural_similarity)(*map(kit.array, (x, y, maxima))))
    expected = [similarity(a, b, float(m)) for a, b, m in zip(x, y, maxima, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_real", [0, 1, 3])
def test_padded_rows_count_nothing(kit, num_real):
    """Not even if a process has only padding, which is zero in every field."""
    workload = bind("fastmri", "mini", kit.name)
    logits, targets, *numbers = arrays_of("scaled")
    rows = np.arange(len(logits)) < num_real
    names = ("targets", "mean", "std", "volume_max")
    batch = {name: array * rows.reshape(-1, *(1 for _ in array.shape[1:])).astype(np.float32)
             for name, array in zip(names, (targets, *numbers), strict=True)}  # fmt: skip
    batch["weights"] = rows.astype(np.float32)
    stub = SimpleNamespace(model_fn=lambda *args, **kwargs: (kit.array(logits), None), loss_fn=workload.loss_fn)
    found = reconstruction(stub, None, None, {name: kit.array(array) for name, array in batch.items()}, None)
    real = [array[rows] for array in (logits, targets, *numbers)]
    assert float(found["ssim"]) == pytest.approx(in_double(*real).sum(), abs=1e-6)
    assert float(found["loss"]) == pytest.approx(np.abs(real[0] - real[1]).mean(axis=(1, 2)).sum(), rel=1e-6)


@pytest.mark.parametrize("masked", [True, False])
def test_the_loss_is_that_of_the_reference(kit, masked):
    expected = golden.read("metrics/fastmri_loss")
    logits, targets, mask = (np.array(expected[name], np.float32) for name in ("logits", "targets", "mask"))
    summed, count, per_example = expected["masked" if masked else "nomask"]["jax"]
    workload, given = bind("fastmri", "mini", kit.name), kit.array(mask) if masked else None
    for smoothing in (0.0, 0.1):  # ignored
        found = workload.loss_fn(kit.array(targets), kit.array(logits), given, smoothing)
        assert [float(found["summed"]), float(found["n_valid_examples"])] == pytest.approx([summed, count], rel=1e-6)
        np.testing.assert_allclose(np.asarray(found["per_example"]), per_example, rtol=1e-6)
