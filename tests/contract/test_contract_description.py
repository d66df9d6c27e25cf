"""What every workload says of itself: outputs, targets, limits, statistics."""

from __future__ import annotations

import math

import pytest

from algoperf import spec
from algoperf.spec import ForwardPassMode, ParameterType, ShapeTuple
from bound_workload import bind, limits_of


def test_output_parameters_exist(case):
    candidates = case.kit.output_candidates(case.init()[0])
    found = [name for name in candidates if case.workload.is_output_params(name)]
    assert found
    assert len(found) < len(candidates)
    assert set(found) == case.workload._output_params


def test_reaching_a_target_exactly_counts(case):
    workload = case.workload
    worse = {"max": -1e-6, "min": 1e-6}[workload.limits.goal]
    for split, target, reached in (
        ("validation", workload.validation_target_value, workload.has_reached_validation_target),
        ("test", workload.test_target_value, workload.has_reached_test_target),
    ):
        if target is None:
            assert reached({}) is True, "there is no such split"
            continue
        name = f"{split}/{workload.target_metric_name}"
        assert reached({name: target}) is True
        assert reached({name: target - worse}) is True
        assert reached({name: target + worse}) is False
        assert reached({name: math.nan}) is False


def test_limits_are_those_of_the_version(case):
    workload = case.workload
    limits = limits_of(workload.definition)
    assert workload.max_allowed_runtime_sec == limits.max_runtime_sec
    assert workload.eval_period_time_sec == limits.eval_period_sec
    assert workload.step_hint == limits.step_hint
    assert workload.target_metric_name == limits.metric


def test_statistics_of_the_inputs(case):
    """Where inputs are not normalised, there is no attribute at all."""
    stats = case.workload.definition.input_stats
    assert hasattr(case.workload, "train_mean") == hasattr(case.workload, "train_stddev") == (stats is not None)
    if stats is not None:
        assert (case.workload.train_mean, case.workload.train_stddev) == stats


def test_metrics_logger(case):
    definition = case.workload.definition
    fresh = bind(definition.name, definition.scale, case.framework)
    assert fresh.metrics_logger is None
    logger = object()
    fresh.attach_metrics_logger(logger)
    assert fresh.metrics_logger is logger


def test_instances_are_hashable_by_identity(case):
    definition = case.workload.definition
    other = bind(definition.name, definition.scale, case.framework)
    before = hash(case.workload)
    case.init()
    assert hash(case.workload) == before
    assert case.workload != other
    assert len({case.workload, other}) == 2


def test_instances_are_static_arguments_of_jit(case):
    if case.framework != "jax":
        pytest.skip("JAX only")
    traces = []

    def step(workload, x):
        traces.append(workload)
        return x * workload.step_hint

    compiled = case.kit.jax.jit(step, static_argnums=0)
    for _ in range(2):
        assert float(compiled(case.workload, 2.0)) == 2.0 * case.workload.step_hint
        case.init()
    assert traces == [case.workload]


def test_names_and_values_of_the_enumerations():
    """Published submissions and logs depend on them."""
    names = "WEIGHT BIAS CONV_WEIGHT BATCH_NORM_SCALE BATCH_NORM_BIAS LAYER_NORM_SCALE LAYER_NORM_BIAS EMBEDDING "
    names += "ATTENTION_Q ATTENTION_K ATTENTION_V ATTENTION_OUT ATTENTION_QKV ATTENTION_KV ATTENTION_BIAS"
    assert {kind.name: kind.value for kind in ParameterType} == {n: i for i, n in enumerate(names.split())}
    losses = "SOFTMAX_CROSS_ENTROPY SIGMOID_CROSS_ENTROPY MEAN_SQUARED_ERROR CTC_LOSS MEAN_ABSOLUTE_ERROR"
    assert {kind.name: kind.value for kind in spec.LossType} == {n: i for i, n in enumerate(losses.split())}
    assert {mode.name: mode.value for mode in ForwardPassMode} == {"TRAIN": 0, "EVAL": 1}


def test_shape_tuples():
    shape = ShapeTuple((2, 3))
    assert shape == ShapeTuple((2, 3))
    assert shape != ShapeTuple((3, 2))
    assert shape != (2, 3)
    assert len({shape, ShapeTuple((2, 3))}) == 1
    assert repr(shape) == "ShapeTuple((2, 3))"
