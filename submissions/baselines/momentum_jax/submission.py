"""SGD with heavy-ball momentum, linear warm-up and linear decay, in JAX.

d = g + weight_decay * p; m = (1 - one_minus_beta1) * m + d; p -= learning_rate * m.
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import init_state, train_step
from algoperf.blocks.schedules import warmup_linear_rate
from algoperf.blocks.self_tuning import MOMENTUM, settings_of
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    settings = settings_of(hyperparameters, MOMENTUM)
    momentum = optax.trace(decay=1.0 - settings["one_minus_beta1"])
    return init_state(workload, optax.chain(optax.add_decayed_weights(settings["weight_decay"]), momentum))


update_params = make_update_params(train_step, MOMENTUM, warmup_linear_rate)
