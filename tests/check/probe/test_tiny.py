"""The tiny workloads are what they claim: all types, all losses, and the same thing by any name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from algoperf import random_utils
from algoperf.checkpoint.tree import Encoder
from algoperf.frameworks import load_backend
from algoperf.spec import ForwardPassMode, LossType, ParameterType
from algoperf.trial.data import TrialData
from algoperf.versions import load_version
from algoperf.workload.loss import BY_TYPE
from algoperf.workload.registry import find_workload
from algoperf_check.probe.session import _plain
from algoperf_check.probe.tiny import TINIES, with_limits

GRAPHS = (LossType.SOFTMAX_CROSS_ENTROPY, "labels")  # as published
by_framework = pytest.mark.parametrize("framework", ["jax", "pytorch"])


def bound(framework, tiny, names):
    backend, definition = load_backend(framework), tiny.definition(names)
    version = with_limits(load_version(), tiny, definition)
    return backend, backend.bind(definition, version.limits(definition.name))


def first_batch(backend, workload):
    data = TrialData.open(workload.definition, Path("anywhere"), backend.shard, 0)
    return next(data.input_queue(8, workload.place_training))


def form(framework, tiny, names):
    """Shapes by path, and parameter types. Nothing is computed in JAX, where that would have to be compiled."""
    _, workload = bound(framework, tiny, names)
    if framework == "pytorch":
        workload.init_model_fn(random_utils.PRNGKey(7))
        return {name: shape.shape_tuple for name, shape in workload.param_shapes.items()}, workload.model_params_types
    import jax

    params, _ = jax.eval_shape(workload.init_model_fn, random_utils.PRNGKey(7))
    paths = jax.tree_util.tree_leaves_with_path(params)
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in paths}, workload.model_params_types


def first_loss(framework, tiny, names):
    """Arrays of a fresh model by path, and the loss of the first training batch."""
    backend, workload = bound(framework, tiny, names)
    params, state = workload.init_model_fn(random_utils.PRNGKey(7))
    _, arrays = Encoder(backend.codecs).tree({"params": params, "state": state})
    batch, key = first_batch(backend, workload), random_utils.PRNGKey(3)

    def forward(params, state):
        logits, _ = workload.model_fn(params, batch, state, ForwardPassMode.TRAIN, key, True)
        return workload.loss_fn(batch["targets"], logits, None)

    if framework == "jax":
        import jax

        forward = jax.jit(forward)
    return arrays, {name: np.asarray(value.tolist()) for name, value in forward(params, state).items()}


def leaves(types):
    for value in types.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def test_every_loss_of_a_scored_workload_is_there_but_that_of_graphs():
    definitions = [find_workload(name) for name in {*load_version("v0.6").scored, *load_version("v1.0").scored}]
    found = {(tiny.loss_type, tiny.definition("plain").computed_loss) for tiny in TINIES}
    assert {(definition.loss_type, definition.computed_loss) for definition in definitions} - found == {GRAPHS}


def forms(batch):
    """Axes and kinds of a batch's arrays by name, without sizes."""
    return {
        name: [(array.ndim, array.dtype.kind) for array in map(np.asarray, value if type(value) is tuple else [value])]
        for name, value in batch.items()
    }


@by_framework
@pytest.mark.parametrize("tiny", TINIES, ids=lambda tiny: tiny.alias)
def test_batches_have_the_form_of_the_scored_workload(framework, tiny):
    """Fields, axes and types; an image with a mask in PyTorch is one of mnist, whose batches have one."""
    backend, workload = bound(framework, tiny, "plain")
    version = load_version("v1.0" if tiny.alias == "finewebedu_lm" else "v0.6")
    scored = find_workload(tiny.alias)
    real = backend.bind(scored, version.limits(tiny.alias, "full"))
    example = scored.example_batch()
    if tiny.alias == "wmt":  # packed, and with a mask, only in training
        more = [f"{side}_{what}" for side in example for what in ("position", "segmentation")]
        example |= dict.fromkeys([*more, "weights"], example["inputs"])
    found = forms(first_batch(backend, workload))
    if found.get("weights") == [(1, "b")]:
        del found["weights"]
    assert found == forms(real.place_training(example))


@by_framework
def test_parameters_have_all_types_and_other_names(framework):
    types = set()
    for tiny in TINIES:
        plain, plain_types = form(framework, tiny, "plain")
        other, other_types = form(framework, tiny, "reordered")
        assert {_plain(path): shape for path, shape in other.items()} == plain
        told = {path for path in plain if re.search(r"[A-Za-z]_?\d|head", path)}  # names that could give it away
        assert not told & other.keys()
        assert sorted(leaves(plain_types), key=str) == sorted(leaves(other_types), key=str)
        types |= set(leaves(plain_types))
    never = {ParameterType.ATTENTION_KV} if framework == "jax" else set()  # no rule of JAX's names gives it
    assert types == set(ParameterType) - never


@pytest.mark.parametrize(("framework", "task"), [("jax", "tokens"), *(("pytorch", tiny.task) for tiny in TINIES)])
def test_values_and_losses_are_the_same_by_any_name(framework, task):
    (tiny,) = (tiny for tiny in TINIES if tiny.task == task)
    plain, loss = first_loss(framework, tiny, "plain")
    other, other_loss = first_loss(framework, tiny, "reordered")
    usual = {_plain(path): array for path, array in other.items()}
    assert usual.keys() == plain.keys()
    assert all(np.array_equal(usual[path], plain[path]) for path in plain)
    assert all(np.array_equal(other_loss[name], loss[name]) for name in loss)
    assert float(loss["summed"]) == pytest.approx(loss["per_example"].sum(), rel=1e-5)
    assert float(loss["n_valid_examples"]) >= 8


@by_framework
def test_order_is_the_opposite_and_can_be_kept(framework):
    tiny = TINIES[0]

    def order(names):
        paths = form(framework, tiny, names)[0]
        groups = [re.split(r"[./]", path)[0] for path in (sorted(paths) if framework == "jax" else paths)]
        return [_plain(group) for group in dict.fromkeys(groups)]

    assert order("renamed") == order("plain")
    assert order("reordered") == order("plain")[::-1]


def test_losses_agree_between_frameworks():
    import jax.numpy as jnp
    import torch

    from algoperf.frameworks.jax import losses as jax_losses
    from algoperf.frameworks.torch import losses as torch_losses

    random = np.random.default_rng(0)
    values, targets = random.normal(size=(4, 3, 2)).astype(np.float32), random.random((4, 3, 2)).astype(np.float32)
    frames, labels = random.normal(size=(4, 9, 5)).astype(np.float32), random.integers(1, 5, (4, 3)).astype(np.float32)
    pads = [
        (np.arange(size) >= np.array([[size], [size - 1], [size], [size - 2]])).astype(np.float32) for size in (9, 3)
    ]
    cases = {
        LossType.MEAN_SQUARED_ERROR: (targets, values),
        LossType.MEAN_ABSOLUTE_ERROR: (targets, values),
        LossType.SIGMOID_CROSS_ENTROPY: ((targets[:, 0, :1] > 0.5).astype(np.float32), values[:, 0, :1]),
        LossType.CTC_LOSS: ((labels, pads[1]), (frames, pads[0])),
    }
    for kind, (label, logits) in cases.items():
        name = BY_TYPE[kind]

        def of(make, value):
            return tuple(map(make, value)) if isinstance(value, tuple) else make(value)

        one = jax_losses.LOSSES[name].per_example(of(jnp.asarray, label), of(jnp.asarray, logits), 0.0)
        other = torch_losses.LOSSES[BY_TYPE[kind]].per_example(
            of(torch.as_tensor, label), of(torch.as_tensor, logits), 0.0
        )
        assert one.shape == other.shape == (4,)
        np.testing.assert_allclose(np.asarray(one), other.numpy(), rtol=1e-5)
    mask = np.array([1, 1, 0, 1], np.float32)
    assert float(jax_losses.num_tokens((labels, pads[1]), mask)) == 3 + 2 + 1
    assert float(torch_losses.num_tokens(tuple(map(torch.as_tensor, (labels, pads[1]))), torch.as_tensor(mask))) == 6
    np.testing.assert_allclose(np.abs(values - targets).reshape(4, -1).mean(1),
                               np.asarray(jax_losses.absolute_error(jnp.asarray(targets), jnp.asarray(values), 0.0)),
                               rtol=1e-6)  # fmt: skip
