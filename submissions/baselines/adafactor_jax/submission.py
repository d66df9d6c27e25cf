"""Adafactor with momentum on the step, linear warm-up and cosine decay, in JAX.

The variant of Praxis, on which the published baseline is based: https://arxiv.org/abs/1804.04235 without scaling by
the size of the parameters, with a bias-corrected decay of 0.99, and momentum after the learning rate. The published
version in JAX stores the momentum as 8-bit integers; here it has the precision of the parameters.
`optax.adafactor` has a different decay, and applies momentum elsewhere.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import ADAFACTOR
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

DECAY, SMALLEST_SQUARE, LARGEST_RMS = 0.99, 1e-30, 1.0


class AdafactorState(NamedTuple):
    """Number of updates, momentum, and averages of squares: per tensor, a tuple of row and column means, or of all."""

    count: Any
    m: Any
    squares: Any


def squares_of(grad):
    """The squares of a gradient to average: their means over the last and the second last axis, or all of them."""
    squares = jnp.square(grad) + SMALLEST_SQUARE
    return (squares.mean(-1), squares.mean(-2)) if grad.ndim >= 2 else (squares,)


def normalised(grad, squares):
    """A gradient divided by the root of its mean squares, with its root mean square clipped."""
    if len(squares) == 2:
        row, column = squares
        row = jnp.maximum(row / row.mean(-1, keepdims=True), SMALLEST_SQUARE)  # else 0 beside very large rows
        grad = grad / (jnp.sqrt(row)[..., None] * jnp.sqrt(column)[..., None, :])
    else:
        grad = grad / jnp.sqrt(squares[0])
    return grad / jnp.maximum(1.0, jnp.sqrt(jnp.mean(jnp.square(grad))) / LARGEST_RMS)


def adafactor(learning_rate, beta1, weight_decay):
    """The optimizer at one learning rate."""

    def init(params):
        squares = jax.tree.map(lambda param: jax.tree.map(jnp.zeros_like, squares_of(param)), params)
        return AdafactorState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params), squares)

    def update(grads, state, params):
        count = state.count + 1
        decay = DECAY * (1.0 - DECAY ** (count - 1)) / (1.0 - DECAY**count)
        squares = jax.tree.map(
            lambda grad, old: tuple(decay * o + (1.0 - decay) * n for o, n in zip(old, squares_of(grad), strict=True)),
            grads, state.squares,
        )  # fmt: skip
        m = jax.tree.map(
            lambda m, grad, squares: beta1 * m + (1.0 - beta1) * learning_rate * normalised(grad, squares),
            state.m, grads, squares,
        )  # fmt: skip
        updates = jax.tree.map(lambda m, param: -m - weight_decay * learning_rate * param, m, params)
        return updates, AdafactorState(count, m, squares)

    return optax.GradientTransformation(init, update)


def make_optimizer(settings):
    return lambda learning_rate: adafactor(learning_rate, 1.0 - settings["one_minus_beta1"], settings["weight_decay"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, ADAFACTOR)
update_params = make_update_params(train_step, ADAFACTOR, warmup_cosine_rate)
