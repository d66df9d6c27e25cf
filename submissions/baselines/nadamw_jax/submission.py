"""NAdamW with linear warm-up and cosine decay, in JAX: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `optax.nadamw` differs.
External tuning takes the point of `tuning_search_space.json`; self-tuning has constants.
"""

from collections import namedtuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size as get_batch_size
from algoperf.blocks.jax_step import init_state, train_step
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import warmup_cosine

EPSILON = 1e-8
SELF_TUNING = {
    "learning_rate": 0.0017486387539278373,
    "one_minus_beta1": 0.06733926164,
    "beta2": 0.9955159689799007,
    "weight_decay": 0.08121616522670176,
    "warmup_factor": 0.02,
    "label_smoothing": 0.0,
    "dropout_rate": 0.1,
}
NadamState = namedtuple("NadamState", ["count", "m", "v"])


def scale_by_nadam(beta1, beta2, epsilon):
    """The direction of NAdamW: Adam's, with the first moment applied a second time to the new gradient."""

    def init(params):
        return NadamState(jnp.zeros((), jnp.int32), *(jax.tree.map(jnp.zeros_like, params) for _ in range(2)))

    def update(grads, state, params=None):
        del params
        count = state.count + 1
        m = optax.tree.update_moment(grads, state.m, beta1, 1)
        v = optax.tree.update_moment(grads, state.v, beta2, 2)
        n = optax.tree.update_moment(grads, m, beta1, 1)
        n_hat = optax.tree.bias_correction(n, beta1, count)
        v_hat = optax.tree.bias_correction(v, beta2, count)
        direction = jax.tree.map(lambda n, v: n / (jnp.sqrt(v) + epsilon), n_hat, v_hat)
        return direction, NadamState(count, m, v)

    return optax.GradientTransformation(init, update)


def _settings(hyperparameters):
    return SELF_TUNING if hyperparameters is None else hyperparameters._asdict()


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    h = _settings(hyperparameters)
    nadam = scale_by_nadam(1.0 - h["one_minus_beta1"], h["beta2"], EPSILON)
    return init_state(workload, optax.chain(nadam, optax.add_decayed_weights(h["weight_decay"])))


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del current_params_types, loss_type, eval_results
    h = _settings(hyperparameters)
    warmup_steps = int(h["warmup_factor"] * workload.step_hint)
    learning_rate = warmup_cosine(global_step, h["learning_rate"], warmup_steps, workload.step_hint)
    updated, metrics = train_step(
        workload, optimizer_state, current_param_container, model_state, batch, rng,
        learning_rate, h["label_smoothing"], h["dropout_rate"], h.get("grad_clip"),
    )  # fmt: skip
    log_metrics(workload, global_step, **metrics)
    return updated


def data_selection(
    workload,
    input_queue,
    optimizer_state,
    current_param_container,
    model_state,
    hyperparameters,
    global_step,
    rng,
):
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
