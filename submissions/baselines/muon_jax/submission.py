"""Muon for matrices and NAdamW for the rest, cosine decay, in JAX. https://kellerjordan.github.io/posts/muon/

The momentum of a weight matrix is replaced by approximately the nearest (semi-)orthogonal matrix: five Newton-Schulz
iterations. Kernels with more than two axes are treated as matrices from all inputs to all outputs. NAdamW updates
embeddings and anything with a side of more than 40,000.
"""

import math

import jax
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_rules import scale_by_nadam
from algoperf.blocks.jax_step import init_state, train_step
from algoperf.blocks.matrices import is_linear_map
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import MUON, settings_of
from algoperf.blocks.update import make_update_params
from algoperf.spec import ParameterType

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

# Their kernels map one axis to heads and channels; all others map all axes but the last to the last.
ONE_INPUT = (ParameterType.ATTENTION_Q, ParameterType.ATTENTION_K, ParameterType.ATTENTION_V)


def matrix_axes(param, role):
    """Which axes of a parameter are inputs and which outputs; MaskedNode if it is not a linear map."""
    if not is_linear_map(param.shape, role):
        return optax.MaskedNode()
    num_inputs = 1 if role in ONE_INPUT else param.ndim - 1
    return optax.contrib.MuonDimensionNumbers(tuple(range(num_inputs)), tuple(range(num_inputs, param.ndim)))


def scale_by_shape(axes):
    """Multiply by the root of outputs over inputs, if there are more outputs."""

    def scaled(update, axes):
        num_inputs, num_outputs = (math.prod(update.shape[axis] for axis in part) for part in axes)
        return update * math.sqrt(max(1.0, num_outputs / num_inputs))

    return optax.stateless(lambda updates, params: jax.tree.map(scaled, updates, axes))


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, rng
    settings = settings_of(hyperparameters, MUON)
    axes = jax.tree.map(matrix_axes, model_params, workload.model_params_types)
    muon = optax.chain(
        optax.contrib.scale_by_muon(
            beta=settings["matrix_momentum"], nesterov=False, weight_dimension_numbers=lambda updates: axes
        ),
        scale_by_shape(axes),
        optax.add_decayed_weights(settings["matrix_weight_decay"]),
        optax.scale(settings["matrix_factor"]),
    )
    nadamw = optax.chain(
        scale_by_nadam(1.0 - settings["one_minus_beta1"], settings["beta2"]),
        optax.add_decayed_weights(settings["weight_decay"]),
    )
    kinds = jax.tree.map(
        lambda axes: "nadamw" if isinstance(axes, optax.MaskedNode) else "muon", axes, is_leaf=is_description
    )
    return init_state(workload, optax.partition({"muon": muon, "nadamw": nadamw}, kinds), model_params)


def is_description(node):
    """Whether a node of the tree of axes describes one parameter."""
    return isinstance(node, (optax.MaskedNode, optax.contrib.MuonDimensionNumbers))


update_params = make_update_params(train_step, MUON, warmup_cosine_rate)
