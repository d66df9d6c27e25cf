"""How residual networks and vision transformers begin: every kind of parameter, in both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.random_utils import PRNGKey
from algoperf.workload.registry import find_workload
from image_models import VITS, bind, named


def cases(names):
    return [(name, framework) for name in names for framework in ("jax", "pytorch")]


def initial(name, framework, **model) -> dict[str, np.ndarray]:
    """Parameters with `/` between the parts of their names."""
    workload = bind(name, framework, **model)
    params, _ = workload.init_model_fn(PRNGKey(0) if framework == "jax" else np.array([3, 0], np.int32))
    found = named(params) if framework == "jax" else dict(params.named_parameters())
    return {n.replace(".", "/"): np.asarray(leaf if framework == "jax" else leaf.detach()) for n, leaf in found.items()}


def assert_uniform(name, array, bound):
    assert bound * (1 - 20 / array.size) < np.abs(array).max() <= bound * (1 + 1e-6), name
    assert array.std() == pytest.approx(bound / np.sqrt(3), rel=6 / np.sqrt(array.size)), name


def assert_lecun_normal(name, array, framework):
    """Truncated at two standard deviations of what is truncated."""
    fan_in = array.size // array.shape[-1 if framework == "jax" else 0]
    assert array.std() == pytest.approx(fan_in**-0.5, rel=6 / np.sqrt(2 * array.size)), name
    assert np.abs(array).max() <= 2 * fan_in**-0.5 / 0.8796 * (1 + 1e-4), name


@pytest.mark.parametrize(("name", "framework"), cases(["cifar", "imagenet_resnet", "imagenet_resnet_large_bn_init"]))
def test_initialisation_of_residual_networks(name, framework):
    last = {"cifar": ("BatchNorm_1/", "bn2/")}.get(name, ("BatchNorm_2/", "bn3/"))
    first = {"imagenet_resnet_large_bn_init": 8.0}.get(name, 0.0)
    counts = {"conv": 0, "last": 0}
    for path, array in initial(name, framework, stage_sizes=(1, 2)).items():
        if path.endswith("bias"):
            assert not array.any(), path
        elif array.ndim == 4:
            counts["conv"] += 1
            assert_lecun_normal(path, array, framework)
        elif array.ndim == 2:
            assert array.std() == pytest.approx(0.01, rel=6 / np.sqrt(2 * array.size)), path
        else:
            is_last = any(part in path for part in last)
            counts["last"] += is_last
            np.testing.assert_array_equal(array, first if is_last else 1.0, err_msg=path)
    assert counts == {"conv": 8 if name == "cifar" else 12, "last": 3}


@pytest.mark.parametrize(("name", "framework"), cases(VITS))
def test_initialisation_of_vision_transformers(name, framework):
    """The MAP head's keys, values, probe and biases differ between the frameworks, as published."""
    settings = find_workload(name).at("mini").model
    width, mlp_dim = settings["width"], settings["mlp_dim"]
    both_ways = np.sqrt(6 / (width + width))
    for path, array in initial(name, framework, depth=1).items():
        in_mlp = any(part in path.lower() for part in ("mlp", "map/mha"))  # PyTorch's MAP attention too
        if path.startswith("head/"):
            assert not array.any(), path
        elif path.endswith("bias"):
            assert np.abs(array).max() < 1e-5, path
            assert array.any() == in_mlp, path
        elif "norm" in path.lower():
            np.testing.assert_array_equal(array, 1.0, err_msg=path)
        elif "conv_patch_extract" in path or "pre_logits" in path:
            assert_lecun_normal(path, array, framework)
        elif "probe" in path:
            assert_uniform(path, array, np.sqrt(6 / (1 + width)) if framework == "jax" else both_ways)
        elif "kv_proj" in path:
            assert_uniform(path, array, np.sqrt(6 / (3 * width)))
        elif "mlp" in path.lower():
            gate = array.shape == (mlp_dim, mlp_dim)
            assert_uniform(path, array, np.sqrt(6 / (2 * mlp_dim if gate else width + mlp_dim)))
        else:
            assert_uniform(path, array, both_ways)
