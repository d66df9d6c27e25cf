"""SGD with heavy-ball momentum, linear warm-up and linear decay, in JAX.

d = g + weight_decay * p; m = mu * m + d; p -= learning_rate * m, with mu = 1 - one_minus_beta1.
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_linear_rate
from algoperf.blocks.self_tuning import MOMENTUM
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(settings):
    momentum = optax.trace(decay=1.0 - settings["one_minus_beta1"])
    return optax.chain(optax.add_decayed_weights(settings["weight_decay"]), momentum)


init_optimizer_state = make_init_optimizer_state(make_optimizer, MOMENTUM)
update_params = make_update_params(train_step, MOMENTUM, warmup_linear_rate)
