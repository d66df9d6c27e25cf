"""What `make_optimizer` may return in JAX: a function of the learning rate, or directions; no complete optimizer."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import optax
import pytest

from algoperf import spec
from algoperf.blocks import jax_step
from algoperf.blocks.jax_rules import cautious, scale_by_nadam
from algoperf.testing import train_on_digits

PARAMS = {"dense": {"kernel": jnp.full((3, 5), -0.5), "bias": jnp.full(5, 0.5)}, "filter": jnp.full((3, 3, 1, 4), 2.0)}
GRADS = jax.tree.map(jnp.ones_like, PARAMS)
BY_RANK = jax.tree.map(lambda param: "matrix" if param.ndim > 1 else "vector", PARAMS)
FROM_ZERO = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000)

COMPLETE = {
    "adamw": optax.adamw(1e-3),
    "lion with a schedule from 0": optax.lion(FROM_ZERO),
    "sgd": optax.sgd(0.1, momentum=0.9),
    "adafactor": optax.adafactor(1e-3),
    "lamb": optax.lamb(1e-3),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=1e-3),
    "schedule-free": optax.contrib.schedule_free_adamw(1e-3),
    "partition": optax.partition({"matrix": optax.sgd(0.1), "vector": optax.adamw(1e-3)}, BY_RANK),
    "accumulated": optax.MultiSteps(optax.adam(1e-3), 2).gradient_transformation(),
}
DIRECTIONS = {
    "identity": optax.identity(),
    "adam": optax.scale_by_adam(),
    "trace": optax.trace(0.9, nesterov=True),
    "decay": optax.chain(optax.scale_by_lion(), optax.add_decayed_weights(0.1)),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_rms()),
    "trust ratio": optax.chain(optax.scale_by_adam(), optax.scale_by_trust_ratio()),
    "cautious": cautious(scale_by_nadam(0.9, 0.99)),
    "noise": optax.chain(optax.add_noise(100.0, 0.0, 0), optax.scale_by_adam()),
    "centralized": optax.chain(optax.centralize(), optax.scale_by_adam()),
    "scaled by a schedule from 0": optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(FROM_ZERO)),
    "partition": optax.partition({"matrix": optax.scale_by_adam(), "vector": optax.set_to_zero()}, BY_RANK),
    "zero": optax.set_to_zero(),
}


def init(optimizer) -> spec.OptimizerState:
    make = jax_step.make_init_optimizer_state(lambda settings: optimizer, {})
    return make(None, PARAMS, None, None, None)  # the workload is asked only if there are no parameters


@pytest.mark.parametrize("optimizer", COMPLETE.values(), ids=COMPLETE.keys())
def test_a_complete_optimizer_is_refused(optimizer):
    with pytest.raises(ValueError, match=r"returned a complete optimizer .* Return a function of the learning rate"):
        init(optimizer)


def test_the_function_that_was_called_is_named():
    def my_own(settings):
        return optax.adabelief(1e-3)

    with pytest.raises(ValueError, match=r"^my_own \(test_jax_optimizers.py, line \d+\) returned a complete optimizer"):
        jax_step.make_init_optimizer_state(my_own, {})(None, PARAMS, None, None, None)
    with pytest.raises(ValueError, match=r"^init_state was given a complete optimizer .* Give it a function of the"):
        jax_step.init_state(None, optax.adabelief(1e-3), PARAMS)


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_directions_are_taken(directions):
    state, _ = init(directions)
    expected = optax.chain(directions, optax.scale_by_learning_rate(0.0)).init(PARAMS)
    assert jax.tree.structure(state) == jax.tree.structure(expected)


@pytest.mark.parametrize("optimizer", [partial(optax.adamw, b1=0.8), optax.scale_by_adam()], ids=["function", "other"])
def test_both_forms_descend(optimizer):
    state, update = init(optimizer)
    updates, _ = update(GRADS, state, PARAMS, learning_rate=0.1)
    assert all(bool(jnp.all(leaf < 0)) for leaf in jax.tree.leaves(updates))


def test_directions_that_need_the_true_shapes_are_taken():
    scales = jax.tree.map(lambda param: jnp.arange(1.0, 1 + param.size).reshape(param.shape), PARAMS)
    _, update = init(optax.stateless(lambda grads, _: jax.tree.map(jnp.multiply, scales, grads)))
    updates, _ = update(GRADS, (optax.EmptyState(), optax.EmptyState()), PARAMS, learning_rate=1.0)
    assert float(updates["dense"]["bias"][4]) == -5.0


SUBMISSION = """
import functools
import optax
from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.update import make_update_params

SETTINGS = {"learning_rate": 3e-3, "warmup_factor": 0.05}

def make_optimizer(settings):
    return OPTIMIZER

init_optimizer_state = make_init_optimizer_state(make_optimizer, SETTINGS)
update_params = make_update_params(train_step, SETTINGS, warmup_cosine_rate)
"""


def test_a_trial_says_it_with_exit_code_3(tmp_path):
    """With the line of the submission, and without the frames of the block that says it: those are in the log."""
    said = r"(?s)ended with 3.*make_optimizer \(submission.py, line 12\) returned a complete optimizer"
    with pytest.raises(AssertionError, match=said) as caught:
        train_on_digits(written(tmp_path, "optax.adamw(1e-3)"), framework="jax", ruleset="self")
    assert "  File " not in str(caught.value)


def test_a_trial_with_the_function_advised_learns(tmp_path):
    losses = train_on_digits(
        written(tmp_path, "functools.partial(optax.adamw, b1=0.9)"), framework="jax", ruleset="self"
    )
    assert losses[-1] < 0.8 * losses[0], losses


def written(folder, optimizer):
    (folder / "submission.py").write_text(SUBMISSION.replace("OPTIMIZER", optimizer))
    return folder
