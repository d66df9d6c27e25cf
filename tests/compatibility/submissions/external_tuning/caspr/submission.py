"""As CASPR: imports itself by its place in the competition's tree, eight-bit moments, own parameter types, prints."""

import functools
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import optax
from submissions.external_tuning.caspr.quantized import QuantizedValue
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf.jax_sharding_utils import replicate


class CasprState(NamedTuple):
    count: Any
    moments: Any
    statistics: Any


def own_types(shapes):
    """Types by lower-cased path, with rules of its own."""
    flat = flax.traverse_util.flatten_dict(shapes, sep="/")
    return {path.lower(): ("bias" if "bias" in path.lower() else "weight") for path in flat}


def caspr(b1, b2, types):
    """Momentum in eight bits, divided by row and column statistics; biases get its sign."""

    def init_fn(params):
        moments = jax.tree.map(lambda p: QuantizedValue.from_float_value(jnp.zeros_like(p)), params)
        statistics = jax.tree.map(lambda p: (jnp.zeros(p.shape[:1]), jnp.zeros(p.shape[-1:])), params)
        return CasprState(jnp.zeros((), jnp.int32), moments, statistics)

    def update_fn(updates, state, params=None):
        del params
        flat = flax.traverse_util.flatten_dict(updates, sep="/")
        moments = flax.traverse_util.flatten_dict(state.moments, sep="/")
        statistics = flax.traverse_util.flatten_dict(state.statistics, sep="/")
        new, new_moments, new_statistics = {}, {}, {}
        for path, grad in flat.items():
            moment = b1 * moments[path].to_float() + (1 - b1) * grad
            rows, columns = statistics[path]
            squares = (grad**2).reshape(grad.shape[0], -1)
            rows = b2 * rows + (1 - b2) * squares.mean(axis=1)
            columns = b2 * columns + (1 - b2) * (grad**2).reshape(-1, grad.shape[-1]).mean(axis=0)
            new_moments[path] = QuantizedValue.from_float_value(moment)
            new_statistics[path] = (rows, columns)
            outer = rows.reshape(-1, *([1] * (grad.ndim - 1))) * columns / (rows.mean() + 1e-30)
            scaled = moment / (jnp.sqrt(outer) + 1e-8)
            new[path] = jnp.sign(moment) if types[path.lower()] == "bias" else scaled
        unflatten = functools.partial(flax.traverse_util.unflatten_dict, sep="/")
        return unflatten(new), CasprState(state.count + 1, unflatten(new_moments), unflatten(new_statistics))

    return optax.GradientTransformation(init_fn, update_fn)


def get_batch_size(workload_name):
    return {"digits": 64, "mnist": 64}[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    hint = workload.step_hint
    schedule_fn = optax.join_schedules(
        [optax.cosine_decay_schedule(hyperparameters.learning_rate, int(f * hint)) for f in (0.5357, 0.75, 1.0)],
        [int(0.5 * hint), int(0.7 * hint)],
    )
    transformation = optax.chain(
        caspr(1.0 - hyperparameters.one_minus_beta1, hyperparameters.beta2, own_types(workload.param_shapes)),
        optax.scale_by_learning_rate(schedule_fn),
    )
    state = jax.jit(transformation.init)(zeros_like_params(workload))
    print("caspr: state made", flush=True)
    return replicate(state), transformation.update


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, loss_type, eval_results
    optimizer_state, opt_update_fn = optimizer_state
    new_optimizer_state, new_params, new_model_state, loss, grad_norm = jitted()(
        workload, opt_update_fn, model_state, optimizer_state, current_param_container, batch, rng,
        None, hyperparameters.label_smoothing, hyperparameters.dropout_rate,
    )  # fmt: skip
    print(f"caspr: {global_step}) loss = {loss:0.3f}, grad_norm = {grad_norm:0.3f}")
    log(workload, global_step, loss=loss.item(), grad_norm=grad_norm.item(), count=new_optimizer_state[0].count.item(),
        bits=8 * jax.tree.leaves(new_optimizer_state[0].moments)[0].itemsize)  # fmt: skip
    return (new_optimizer_state, opt_update_fn), new_params, new_model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
