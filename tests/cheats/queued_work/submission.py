"""Queues work on the device and keeps no result of it: no array that waits for it is alive when the clock stops.

A callback would bring the result back. On a CPU, programs with callbacks are not queued, so this one has none.
"""

import honest_jax
import jax
import jax.numpy as jnp
from honest_jax import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


@jax.jit
def work(matrix):
    return jax.lax.fori_loop(0, 100, lambda _, product: jnp.tanh(product @ matrix), matrix)


def update_params(**arguments):
    result = honest_jax.update_params(**arguments)
    for _ in range(3):
        work(jnp.full((200, 200), 0.005))
    return result
