"""As schedule-free in JAX: optax.contrib, weights converted for evaluation and back, batch statistics in extra passes.

`hyperparameters` is None, and read all the same.
"""

import jax
import optax
from optax.contrib import schedule_free_adamw, schedule_free_eval_params
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf import jax_sharding_utils, spec

HPARAMS = {"learning_rate": 0.01, "one_minus_beta1": 0.1, "beta2": 0.9955159689799007, "dropout_rate": 0.1}


def get_batch_size(workload_name):
    sizes = {"digits": 64, "cifar": 64, "imagenet_vit": 64, "mnist": 64}
    if workload_name not in sizes:
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return sizes[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, hyperparameters, rng
    init, update = schedule_free_adamw(
        learning_rate=HPARAMS["learning_rate"], warmup_steps=int(0.01 * workload.step_hint),
        b1=1.0 - HPARAMS["one_minus_beta1"], b2=HPARAMS["beta2"], weight_decay=0.01,
    )  # fmt: skip
    state = jax.device_put(init(zeros_like_params(workload)), jax_sharding_utils.get_replicate_sharding())
    return {"opt": state, "is_eval": False, "z_is_set": False}, update


def _to_training(state, x):
    """y = b1 x + (1 - b1) z."""
    b1 = state.b1
    return jax.tree.map(lambda x, z: b1 * x + (1.0 - b1) * z, x, state.z)


@jax.jit
def _start(state, params):
    return state._replace(z=jax.tree.map(lambda p: p + 0.0, params))


def _statistics(workload, params, model_state, batch, rng):
    def forward(params, model_state, batch, rng):
        return workload.model_fn(params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True)

    return jax.jit(forward)(params, model_state, batch, rng)[1]


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, loss_type, eval_results
    held, update = optimizer_state
    state, params = held["opt"], current_param_container
    if not held["z_is_set"]:  # zeros so far: there were no parameters when the state was made
        state = _start(state, params)
    if held["is_eval"]:
        params = _to_training(state, params)
    label_smoothing = hyperparameters.label_smoothing if hasattr(hyperparameters, "label_smoothing") else 0.0
    state, params, model_state, loss, grad_norm = jitted()(
        workload, update, model_state, state, params, batch, rng,
        None, label_smoothing, HPARAMS["dropout_rate"],
    )  # fmt: skip
    if model_state is not None and global_step % 3 == 0:
        averaged = schedule_free_eval_params(state, params)
        model_state = _statistics(workload, averaged, model_state, batch, rng)
    log(workload, global_step, loss=loss, grad_norm=grad_norm, converted=int(held["is_eval"]),
        norm=optax.tree.norm(params))  # fmt: skip
    return ({"opt": state, "is_eval": False, "z_is_set": True}, update), params, model_state


def prepare_for_eval(
    workload, current_param_container, current_params_types, model_state, hyperparameters, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    held, update = optimizer_state
    averaged = schedule_free_eval_params(held["opt"], current_param_container)
    return ({**held, "is_eval": True}, update), averaged, model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
