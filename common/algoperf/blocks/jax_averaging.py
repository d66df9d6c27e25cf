"""Evaluate parameters other than those in training, such as averages of them, in JAX.

`prepare_for_eval` stores the training parameters in the optimizer state and returns those to evaluate. The next
training step continues from the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from algoperf import spec
from algoperf.blocks import jax_step


def make_init_optimizer_state(
    make_optimizer: Callable[[Mapping[str, Any]], jax_step.Optimizer], self_tuning: Mapping[str, Any]
) -> spec.InitOptimizerFn:
    """Like `jax_step.make_init_optimizer_state`, with room for the stored training parameters."""
    init = jax_step.make_init_optimizer_state(make_optimizer, self_tuning)

    def init_optimizer_state(
        workload: spec.Workload,
        model_params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        rng: spec.RandomState,
    ) -> spec.OptimizerState:
        state, update = init(workload, model_params, model_state, hyperparameters, rng)
        return {"optimizer": state, "aside": None}, update

    return init_optimizer_state


def train_step(
    workload: spec.Workload,
    optimizer_state: spec.OptimizerState,
    params: spec.ParameterContainer,
    *arguments: Any,
    **options: Any,
) -> tuple[spec.UpdateReturn, dict[str, jax.Array]]:
    """Like `jax_step.train_step`, but starts from the stored training parameters, if any."""
    state, update = optimizer_state
    if state["aside"] is not None:
        params = state["aside"]
    updated, metrics = jax_step.train_step(workload, (state["optimizer"], update), params, *arguments, **options)
    (inner, _), params, model_state = updated
    return (({"optimizer": inner, "aside": None}, update), params, model_state), metrics


def make_prepare_for_eval(evaluation_params: Callable[[Any, Any], Any]) -> spec.PrepareForEvalFn:
    """Make a `prepare_for_eval` from a function of optimizer state and training parameters."""
    compiled = jax.jit(evaluation_params)

    def prepare_for_eval(
        workload: spec.Workload,
        current_param_container: spec.ParameterContainer,
        current_params_types: spec.ParameterTypeTree,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        loss_type: spec.LossType,
        optimizer_state: spec.OptimizerState,
        eval_results: list[tuple[int, dict[str, float]]],
        global_step: int,
        rng: spec.RandomState,
    ) -> spec.UpdateReturn:
        del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
        state, update = optimizer_state
        trained = current_param_container if state["aside"] is None else state["aside"]
        shown = compiled(state["optimizer"], trained)
        return ({**state, "aside": trained}, update), shown, model_state

    return prepare_for_eval
