"""What every workload owes to submissions: initialisation and forward passes."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.spec import ParameterType
from algoperf.workload.outputs import require_outputs
from bound_workload import bind
from contract_case import BATCH_SIZE, EVAL, ROWS, TRAIN
from contract_kinds import one_array


def test_shapes_and_types_are_unknown_before_init(case):
    definition = case.workload.definition
    fresh = bind(definition.name, definition.scale, case.framework)
    for attribute in ("param_shapes", "model_params_types"):
        with pytest.raises(ValueError, match=attribute):
            getattr(fresh, attribute)


def test_init_model_fn(case):
    """JAX: nested dicts, and a dict or None as state. PyTorch: a module, and None."""
    params, model_state = case.init()
    if case.framework == "jax":
        assert isinstance(params, dict)
        assert model_state is None or (isinstance(model_state, dict) and model_state)
    else:
        assert isinstance(params, case.kit.torch.nn.Module)
        assert model_state is None
        assert all(param.requires_grad for param in params.parameters())
    assert {array.dtype for array in case.kit.parameters(params).values()} == {np.dtype(np.float32)}


def test_shapes_and_types_have_the_structure_of_the_parameters(case):
    params, _ = case.init()
    shapes, types = case.workload.param_shapes, case.workload.model_params_types
    if case.framework == "jax":
        tree = case.kit.jax.tree
        zeros = tree.map(lambda shape: np.zeros(shape.shape_tuple), shapes)  # as submissions make their state
        assert tree.structure(zeros) == tree.structure(params) == tree.structure(types)
        assert tree.all(tree.map(lambda zero, param: zero.shape == param.shape, zeros, params))
        leaves = tree.leaves(types)
    else:
        found = {name: tuple(shape.shape_tuple) for name, shape in shapes.items()}
        assert found == {name: array.shape for name, array in case.kit.parameters(params).items()}
        assert list(types) == list(shapes)
        leaves = types.values()
    assert all(isinstance(leaf, ParameterType) for leaf in leaves)


def test_the_key_decides_on_the_parameters(case):
    first, again, other = (case.kit.parameters(case.init(seed)[0]) for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    assert any(not np.array_equal(other[name], array) for name, array in first.items())


def test_every_init_gives_a_model_of_its_own(case):
    """The reference hands out one module again and again."""
    params, _ = case.init()
    other, _ = case.init()
    assert params is not other
    if case.framework == "pytorch":
        with case.kit.torch.no_grad():
            for param in other.parameters():
                param.zero_()
        assert any(array.any() for array in case.kit.parameters(params).values())


@pytest.mark.parametrize("mode", [TRAIN, EVAL])
def test_model_fn(case, mode):
    model = case.init()
    logits, state = case.forward(model, case.train_batch(), mode)
    assert logits.shape == case.kind.logits_shape(BATCH_SIZE)
    assert np.isfinite(logits).all()
    if model[1] is None:
        assert state is None
        return
    structure = case.kit.jax.tree.structure
    assert structure(state) == structure(model[1]), "the state can be given to the next step"
    if mode is EVAL:
        before, after = (case.kit.statistics(model[0], part) for part in (model[1], state))
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_outputs_have_the_shape_that_those_of_submitted_models_must_have(case):
    (params, model_state), batch = case.init(), case.train_batch()
    outputs, _ = case.workload.model_fn(params, batch, model_state, EVAL, None, update_batch_norm=False)
    require_outputs(case.workload.definition, batch["targets"], outputs)


def test_evaluation_has_no_gradient_and_no_side_effects(case):
    """Evaluating twice gives the same, and leaves the next training step as it would have been."""
    model, batch = case.stirred(), case.train_batch()
    expected, _ = case.forward(model, batch, TRAIN)
    model = case.stirred()
    first, _ = case.forward(model, batch, EVAL, seed=1)
    second, _ = case.forward(model, batch, EVAL, seed=2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(case.forward(model, batch, TRAIN)[0], expected)
    if case.framework == "pytorch":
        logits, _ = case.workload.model_fn(model[0], batch, None, EVAL, None, update_batch_norm=False)
        assert not any(part.requires_grad for part in (logits if isinstance(logits, tuple) else [logits]))


def test_dropout_rate_is_an_argument_of_the_call(case):
    model, batch = case.stirred(), case.train_batch()
    default = case.workload.definition.dropout

    def logits(mode, seed=0, **options):
        return case.forward(case.stirred(), batch, mode, seed=seed, **options)[0]

    none, half = logits(TRAIN, dropout_rate=0.0), logits(TRAIN, dropout_rate=0.5)
    evaluated = case.forward(model, batch, EVAL, dropout_rate=0.5)[0]
    np.testing.assert_array_equal(evaluated, case.forward(model, batch, EVAL, dropout_rate=0.0)[0])
    np.testing.assert_array_equal(none, logits(TRAIN, seed=1, dropout_rate=0.0))
    if default is None:  # accepted and without effect
        np.testing.assert_array_equal(none, half)
        return
    assert not np.allclose(none, half)
    assert not np.allclose(half, logits(TRAIN, seed=1, dropout_rate=0.5))
    # A rate that is a constant of the program, and one that is an argument, may differ in rounding.
    expected = logits(TRAIN, constants={"dropout_rate": default})
    np.testing.assert_array_equal(logits(TRAIN), expected)
    np.testing.assert_array_equal(logits(TRAIN, constants={"dropout_rate": None}), expected)


def test_changing_the_dropout_rate_does_not_recompile(case):
    if case.framework != "jax":
        pytest.skip("JAX only")
    params, model_state = case.stirred()
    batch, traces = case.train_batch(), []

    def step(workload, params, batch, rate):
        traces.append(rate)
        key = case.kit.key(0)
        return workload.model_fn(params, batch, model_state, TRAIN, key, update_batch_norm=True, dropout_rate=rate)[0]

    compiled = case.kit.jax.jit(step, static_argnums=0)
    outputs = [one_array(compiled(case.workload, params, batch, rate)) for rate in (0.0, 0.1, 0.5)]
    assert len(traces) == 1
    expected, _ = case.forward((params, model_state), batch, TRAIN, constants={"dropout_rate": 0.1})
    np.testing.assert_allclose(outputs[1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "case",
    [pytest.param((*row, "jax"), marks=() if row[0] == "digits" else pytest.mark.full) for row in ROWS],
    ids="-".join,
    indirect=True,
)
def test_models_of_jax_need_not_be_compiled(case):
    """Operation by operation, which takes long for all but small models."""
    model, batch = case.stirred(), case.train_batch()
    for rate in (0.0, 0.1, 0.5):
        eager, _ = case.forward(model, batch, TRAIN, dropout_rate=rate, compiled=False)
        compiled, _ = case.forward(model, batch, TRAIN, dropout_rate=rate)
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-4)
    default = case.forward(model, batch, TRAIN, compiled=False)[0]
    dropout = case.workload.definition.dropout
    for rate in (None, dropout):
        again, _ = case.forward(model, batch, TRAIN, dropout_rate=rate, compiled=False)
        np.testing.assert_array_equal(again, default)


def test_dropout_layer_of_jax():
    import jax

    from algoperf.frameworks.jax.layers import Dropout

    inputs = np.ones((100, 200), np.float32)
    rngs = {"dropout": jax.random.PRNGKey(0)}
    outputs = np.asarray(Dropout().apply({}, inputs, 0.25, deterministic=False, rngs=rngs))
    assert set(np.unique(outputs)) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(outputs == 0) == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(Dropout().apply({}, inputs, 0.25, deterministic=True), inputs)
    np.testing.assert_array_equal(Dropout().apply({}, inputs, 0.0, deterministic=False, rngs=rngs), inputs)


def test_updating_batch_norm(case):
    """A training pass moves the running statistics, which evaluation then uses."""
    case.needs(ParameterType.BATCH_NORM_SCALE)
    params, model_state = case.stirred()
    batch = case.train_batch()
    before = case.kit.statistics(params, model_state)
    evaluated, _ = case.forward((params, model_state), batch, EVAL)
    _, new_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=True)
    after = case.kit.statistics(params, new_state)
    assert before.keys() == after.keys()
    assert before
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    assert not np.allclose(case.forward((params, new_state), batch, EVAL)[0], evaluated)


def test_not_updating_batch_norm(case):
    """Published: JAX then normalises with running statistics, PyTorch with those of the batch. Neither moves."""
    case.needs(ParameterType.BATCH_NORM_SCALE)
    params, model_state = case.stirred()
    batch = case.train_batch()
    before = case.kit.statistics(params, model_state)
    kept, kept_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=False, dropout_rate=0.0)
    after = case.kit.statistics(params, kept_state)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    with_running, _ = case.forward((params, model_state), batch, EVAL)
    # Updating after not updating works again: the momentum was put back.
    with_batch, new_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=True, dropout_rate=0.0)
    moved = case.kit.statistics(params, new_state)
    assert all(not np.array_equal(before[name], moved[name]) for name in before)
    assert not np.allclose(with_running, with_batch, atol=1e-3)
    expected = with_running if case.framework == "jax" else with_batch
    np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-5)


def test_initialisation_inside_jax_transformations(case):
    """Submissions ask for shapes before there are parameters, and may initialise inside jit."""
    if case.framework != "jax":
        pytest.skip("about transformations of JAX")
    jax = case.kit.jax
    shapes, _ = jax.eval_shape(case.workload.init_model_fn, case.kit.key(0))
    params, _ = case.init(0)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), params
    )
    if case.workload.definition.name == "digits":
        again, _ = jax.jit(case.workload.init_model_fn)(case.kit.key(0))
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7), again, params)
