"""Shampoo with the step sizes of NAdamW, linear warm-up and cosine decay, in JAX.

https://arxiv.org/abs/1802.09568 and https://arxiv.org/abs/2002.09018: the momentum of a matrix is multiplied from both
sides by inverse fourth roots of averages of G G^T and G^T G, block by block, and scaled to the norm of NAdamW's
direction ("grafting"). Kernels with more than two axes are treated as matrices from all inputs to the outputs. Every
device computes all roots; Meta's Distributed Shampoo divides that work.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.matrices import preconditioned_blocks
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import SHAMPOO
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

EPSILON, RIDGE = 1e-8, 1e-6


class ShampooState(NamedTuple):
    """Number of updates, averages of gradients and their squares, and two statistics and roots per tensor and block.

    Statistics are the averages of G G^T and G^T G; roots are their most recent inverse fourth roots.
    """

    count: Any
    m: Any
    v: Any
    statistics: Any
    roots: Any


def blocks_of(param):
    """The blocks of a parameter as a matrix (inputs, outputs); none for vectors."""
    return preconditioned_blocks(param.size // param.shape[-1], param.shape[-1]) if param.ndim >= 2 else []


def as_matrix(array):
    return array.reshape(-1, array.shape[-1])


def inverse_fourth_root(statistic, previous):
    """The inverse fourth root of a positive semi-definite matrix, plus a ridge of 1e-6 times its largest eigenvalue.

    LAPACK returns NaN, or fails, if products of entries underflow. So the largest entry of what is decomposed is about
    1, and the diagonal has at least `RIDGE`. If there is no finite root, the result is the previous one.
    """
    identity = jnp.eye(len(statistic), dtype=statistic.dtype)
    scale = jnp.abs(statistic).max()
    usable = (scale > 0) & jnp.isfinite(scale)
    scaled = jnp.where(usable, statistic / jnp.where(usable, scale, 1.0), identity)
    values, vectors = jnp.linalg.eigh(scaled + RIDGE * identity)
    values = jnp.maximum(values - RIDGE, 0.0) * jnp.where(usable, scale, 0.0)
    root = (values + RIDGE * values[-1] + 1e-30) ** -0.25
    root = (vectors * root) @ vectors.T
    return jnp.where(jnp.isfinite(root).all() & jnp.isfinite(scale), root, previous)


def preconditioned(momentum, graft, roots):
    """A matrix's momentum between its roots, with the norm of `graft`."""
    if not roots:
        return graft
    matrix = as_matrix(momentum)
    for block, (left, right) in zip(blocks_of(momentum), roots, strict=True):
        matrix = matrix.at[block].set(left @ matrix[block] @ right)
    largest = jnp.abs(matrix).max()  # its square may be too large, or too small, for a norm
    matrix = matrix / jnp.where(largest > 0, largest, 1.0)
    norm = jnp.linalg.norm(matrix)
    length = jnp.linalg.norm(graft.reshape(-1)) / jnp.where(norm > 0, norm, 1.0)
    return (matrix * length).reshape(graft.shape)


def scale_by_shampoo(beta1, beta2, start_step, root_every):
    """The preconditioned direction from update `start_step` on; NAdamW's before."""

    def init(params):
        def identities(param):
            sides = [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in blocks_of(param)]
            return [tuple(jnp.eye(side, dtype=param.dtype) for side in both) for both in sides]

        leaves = jax.tree.leaves(params)
        roots = [identities(param) for param in leaves]
        zeros = (optax.tree.zeros_like(params) for _ in range(2))
        return ShampooState(jnp.zeros((), jnp.int32), *zeros, jax.tree.map(jnp.zeros_like, roots), roots)

    def take_in(grad, statistics):
        matrix = as_matrix(grad) if statistics else None
        pairs = [(g @ g.T, g.T @ g) for g in (matrix[block] for block in blocks_of(grad) if statistics)]
        return jax.tree.map(lambda old, new: beta2 * old + (1.0 - beta2) * new, statistics, pairs)

    def update(grads, state, params=None):
        del params
        count = state.count + 1
        m = optax.tree.update_moment(grads, state.m, beta1, 1)
        v = optax.tree.update_moment(grads, state.v, beta2, 2)
        n_hat = optax.tree.bias_correction(optax.tree.update_moment(grads, m, beta1, 1), beta1, count)
        v_hat = optax.tree.bias_correction(v, beta2, count)
        graft = jax.tree.map(lambda n, v: n / (jnp.sqrt(v) + EPSILON), n_hat, v_hat)
        leaves, structure = jax.tree.flatten(grads)
        statistics = [take_in(*pair) for pair in zip(leaves, state.statistics, strict=True)]
        started = count >= start_step
        roots = jax.lax.cond(
            started & ((count - start_step) % root_every == 0),
            lambda: jax.tree.map(inverse_fourth_root, statistics, state.roots),
            lambda: state.roots,
        )
        both = zip(jax.tree.leaves(n_hat), jax.tree.leaves(graft), roots, strict=True)
        directions = [jnp.where(started, preconditioned(n, graft, root), graft) for n, graft, root in both]
        return jax.tree.unflatten(structure, directions), ShampooState(count, m, v, statistics, roots)

    return optax.GradientTransformation(init, update)


def make_optimizer(settings):
    shampoo = scale_by_shampoo(
        1.0 - settings["one_minus_beta1"], settings["beta2"], settings["start_step"], settings["root_every"]
    )
    return optax.chain(shampoo, optax.add_decayed_weights(settings["weight_decay"]))


init_optimizer_state = make_init_optimizer_state(make_optimizer, SHAMPOO)
update_params = make_update_params(train_step, SHAMPOO, warmup_cosine_rate)
