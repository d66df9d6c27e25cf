"""The residual networks and vision transformers at scale mini: both frameworks compute the same, where they should."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.spec import ForwardPassMode
from algoperf.workload.registry import find_workload
from image_models import NUM_CLASSES, RESNETS, VITS, bind, images, in_jax, named

TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL


def stirred_torch_model(name, **model):
    """A model none of whose parameters and statistics is zero or one."""
    import torch

    workload = bind(name, "pytorch", **model)
    params, _ = workload.init_model_fn(np.array([0, 0], np.int32))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in [*params.parameters(), *params.buffers()]:
            if tensor.dtype == torch.float32:
                tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return workload, params


def torch_arrays(params) -> dict[str, np.ndarray]:
    tensors = [*params.named_parameters(), *params.named_buffers()]
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors}


def as_jax_model(workload, weights, stage_sizes):
    """The model with PyTorch's weights. Every one of them must have its place."""
    import jax

    params, state = jax.eval_shape(workload.init_model_fn, jax.random.PRNGKey(0))
    shapes = {name: leaf.shape for tree in (params, state) for name, leaf in named(tree).items()}
    converted = in_jax(weights, shapes, stage_sizes)
    assert converted.keys() == shapes.keys()
    params, state = {}, {}
    for name, array in converted.items():
        target = state if name.startswith("batch_stats/") else params
        *path, leaf = name.split("/")
        for part in path:
            target = target.setdefault(part, {})
        target[leaf] = array
    return params, state or None


def both_modes(workload, model):
    """Logits and new state by mode, in a single program in JAX."""
    if workload.framework == "pytorch":
        return {mode: forward(workload, model, mode, images()) for mode in (EVAL, TRAIN)}
    import jax

    batch = workload.place({"inputs": images()})

    @jax.jit
    def run(params, state):
        return [
            workload.model_fn(
                params, batch, state, mode, jax.random.PRNGKey(0), update_batch_norm=mode is TRAIN, dropout_rate=0.0
            )
            for mode in (EVAL, TRAIN)
        ]

    return {mode: (np.asarray(logits), state) for mode, (logits, state) in zip((EVAL, TRAIN), run(*model), strict=True)}


def forward(workload, model, mode, inputs, **settings):
    """Logits and new state, on 4 images."""
    batch = workload.place({"inputs": inputs})
    params, state = model
    settings = {"update_batch_norm": mode is TRAIN, "dropout_rate": 0.0, **settings}
    if workload.framework == "jax":
        import jax

        run = jax.jit(lambda p, s, b: workload.model_fn(p, b, s, mode, jax.random.PRNGKey(0), **settings))
        logits, state = run(params, state, batch)
        return np.asarray(logits), state
    logits, state = workload.model_fn(params, batch, state, mode, None, **settings)
    return logits.detach().numpy(), state


def both(name, jax_settings, **model):
    """The same weights in both frameworks."""
    torch_workload, torch_params = stirred_torch_model(name, **model)
    workload = bind(name, "jax", **model, **jax_settings)
    stage_sizes = workload.definition.model.get("stage_sizes", ())
    jax_model = as_jax_model(workload, torch_arrays(torch_params), stage_sizes)
    return (workload, jax_model), (torch_workload, (torch_params, None))


def difference(found, expected) -> float:
    assert found.shape == expected.shape == (4, NUM_CLASSES)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("name", [name for name in RESNETS if "bn_init" not in name])  # which differs at first only
def test_residual_networks_agree_if_they_pad_alike(name):
    stage_sizes = (1, 2) if name in ("cifar", "imagenet_resnet") else (1,)  # activations are the same in all stages
    in_jax_, in_torch = both(name, {"padding": 1}, stage_sizes=stage_sizes, bn_init_scale=0.0)
    found, expected = both_modes(*in_jax_), both_modes(*in_torch)
    for mode in (EVAL, TRAIN):
        assert difference(found[mode][0], expected[mode][0]) < 1e-5
    running_mean = torch_arrays(in_torch[1][0])["bn1.running_mean"]
    state = found[TRAIN][1]
    np.testing.assert_allclose(state["batch_stats"]["BatchNorm_init"]["mean"], running_mean, rtol=1e-4, atol=1e-6)


def test_residual_networks_pad_as_published():
    """JAX pads convolutions of stride 2 on one side, PyTorch on both."""
    in_jax_, in_torch = both("cifar", {}, stage_sizes=(1, 1))  # the second stage begins with a stride
    found, expected = forward(*in_jax_, EVAL, images())[0], forward(*in_torch, EVAL, images())[0]
    assert difference(found, expected) > 1e-3


def test_running_variances_are_biased_in_jax_and_unbiased_in_torch():
    in_jax_, in_torch = both("cifar", {"padding": 1}, stage_sizes=(1,))
    before = torch_arrays(in_torch[1][0])["bn1.running_var"]
    _, state = forward(*in_jax_, TRAIN, images())
    forward(*in_torch, TRAIN, images())
    in_jax_moved = np.asarray(state["batch_stats"]["BatchNorm_init"]["var"]) - 0.9 * before
    in_torch_moved = torch_arrays(in_torch[1][0])["bn1.running_var"] - 0.9 * before
    count = 4 * 32 * 32
    np.testing.assert_allclose(in_torch_moved / in_jax_moved, count / (count - 1), rtol=1e-5)


@pytest.mark.parametrize("name", VITS)
def test_vision_transformers_agree(name):
    in_jax_, in_torch = both(name, {}, depth=2 if name == VITS[0] else 1)
    found, expected = both_modes(*in_jax_), both_modes(*in_torch)
    for mode in (EVAL, TRAIN):
        assert found[mode][1] is None
        assert difference(found[mode][0], expected[mode][0]) < 1e-5


@pytest.mark.parametrize("name", [RESNETS[0], VITS[0]])
def test_images_may_be_larger(name):
    """Positions are a function of the image; residual networks take the mean."""
    workload, params = stirred_torch_model(name)
    larger = np.concatenate([images(), images(seed=1)], axis=1)
    batch = workload.place({"inputs": larger})
    assert workload.model_fn(params, batch, None, EVAL, None, update_batch_norm=False)[0].shape == (4, NUM_CLASSES)


# --- batch statistics in JAX ----------------------------------------------------------------------------------


def test_use_running_average_bn():
    """Says which statistics normalise; `update_batch_norm` says whether they move, if batch statistics are taken."""
    import jax

    workload = bind("cifar", "jax", stage_sizes=(1,))
    params, state = workload.init_model_fn(jax.random.PRNGKey(0))
    model = params, jax.tree.map(lambda leaf: leaf + 0.5, state)

    def run(update, running, mode=TRAIN):
        logits, new = forward(workload, model, mode, images(), update_batch_norm=update, use_running_average_bn=running)
        moved = {not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (new, model[1])), strict=True)}
        assert len(moved) == 1
        return logits, moved.pop()

    with_batch, with_running = run(True, None)[0], run(False, None, EVAL)[0]
    assert not np.allclose(with_batch, with_running, atol=1e-3)
    for update, running, expected, moves in (
        (True, None, with_batch, True),
        (False, None, with_running, False),
        (True, True, with_running, False),
        (True, False, with_batch, True),
        (False, True, with_running, False),
        (False, False, with_batch, False),
    ):
        logits, moved = run(update, running)
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6, err_msg=f"{update} {running}")
        assert moved == moves, (update, running)


# --- dropout --------------------------------------------------------------------------------------------------


def torch_dropout(name, monkeypatch, mode) -> list[tuple]:
    """Kind, last axis and rate of every dropout of a forward pass."""
    import torch

    found = []
    true_dropout, true_attention = torch.nn.functional.dropout, torch.nn.functional.scaled_dot_product_attention

    def dropout(x, rate, training):
        found.append(("values", x.shape[-1], rate if training else 0.0))
        return true_dropout(x, rate, training)

    def attention(*heads, dropout_p):
        found.append(("attention", heads[0].shape[-1], dropout_p))
        return true_attention(*heads, dropout_p=dropout_p)

    monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
    workload, params = stirred_torch_model(name, depth=1)
    forward(workload, (params, None), mode, images(), dropout_rate=0.25)
    return found


def jax_dropout(name, mode) -> list[tuple]:
    """The same in JAX, where attention has dropout of its own, or none."""
    import flax.linen as nn
    import jax

    from algoperf.frameworks.jax.layers import Dropout

    found = []

    def watch(call, arguments, keywords, context):
        if isinstance(context.module, Dropout):
            inputs, rate = arguments
            found.append(("values", inputs.shape[-1], 0.0 if keywords["deterministic"] else rate))
        if isinstance(context.module, nn.MultiHeadDotProductAttention):
            head = context.module.num_heads
            found.append(("attention", arguments[0].shape[-1] // head, context.module.dropout_rate))
            assert context.module.deterministic
        return call(*arguments, **keywords)

    workload = bind(name, "jax", depth=1)
    with nn.intercept_methods(watch):
        params, _ = jax.eval_shape(workload.init_model_fn, jax.random.PRNGKey(0))
        found.clear()
        batch = {"inputs": images()}
        key = jax.random.PRNGKey(0)
        jax.eval_shape(
            lambda p: workload.model_fn(p, batch, None, mode, key, update_batch_norm=False, dropout_rate=0.25), params
        )
    return found


@pytest.mark.parametrize("name", VITS)
def test_where_dropout_acts(name, monkeypatch):
    """As published: PyTorch also in attention and in the MAP head, JAX in neither."""
    settings = find_workload(name).at("mini").model
    width, mlp_dim = settings["width"], settings["mlp_dim"]
    head = width // settings["num_heads"]

    def expected(rate, attention_rate, map_rate):
        block = [("attention", head, attention_rate), ("values", width, rate), ("values", mlp_dim, rate)]
        pooling = [("attention", head, map_rate), ("values", mlp_dim, map_rate)] if name == "imagenet_vit_map" else []
        return [("values", width, rate), *block, ("values", width, rate), *pooling]

    assert torch_dropout(name, monkeypatch, TRAIN) == expected(0.25, 0.25, 0.25)
    assert jax_dropout(name, TRAIN) == expected(0.25, 0.0, 0.0)
    monkeypatch.undo()
    assert torch_dropout(name, monkeypatch, EVAL) == expected(0.0, 0.0, 0.0)
    assert jax_dropout(name, EVAL) == expected(0.0, 0.0, 0.0)


# --- ViT --------------------------------------------------------------------------------------------------------


def test_positions():
    """Golden values of the published table."""
    from algoperf.workload.registry import cube_module

    sincos_2d = cube_module(bind("imagenet_vit", "jax").definition.folder, "position").sincos_2d
    table = sincos_2d(14, 14, 384)
    assert table.shape == (196, 384)
    assert table.sum() == pytest.approx(34742.762, rel=1e-6)
    expected = [0.841471, 0.788029, 1.0e-4, 0.540302, 0.615638]
    np.testing.assert_allclose(table[15, [0, 1, 95, 96, 97]], expected, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 4, not 42"):
        sincos_2d(2, 2, 42)


def test_the_first_loss_of_a_vision_transformer():
    """Its output layer begins at zero: all classes are equally likely."""
    workload = bind("imagenet_vit", "pytorch")
    params, _ = workload.init_model_fn(np.array([0, 0], np.int32))
    logits, _ = forward(workload, (params, None), EVAL, images())
    assert not logits.any()
