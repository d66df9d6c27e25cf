"""Muon for matrices and NAdamW for the rest, cosine decay, in PyTorch. https://kellerjordan.github.io/posts/muon/

The momentum of a weight matrix is replaced by approximately the nearest (semi-)orthogonal matrix: five Newton-Schulz
iterations. Kernels with more than two axes are treated as matrices from all inputs to all outputs. NAdamW updates
embeddings and anything with a side of more than 40,000. `torch.optim.Muon` does not accept convolution kernels, and
iterates in bfloat16, which a V100 lacks.
"""

import math

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.matrices import is_linear_map
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import MUON, settings_of
from algoperf.blocks.torch_rules import ListRule, average, nadam_direction
from algoperf.blocks.torch_step import train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

COEFFICIENTS, NUM_ITERATIONS, EPSILON = (3.4445, -4.7750, 2.0315), 5, 1e-8


def orthogonalised(matrix):
    """Newton-Schulz iterations on a matrix (outputs, inputs): its singular values become close to 1."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + EPSILON)
    a, b, c = COEFFICIENTS
    for _ in range(NUM_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def scaled(momentum):
    """The orthogonalised momentum of a parameter, times the root of outputs per input if that is more than 1."""
    update = orthogonalised(momentum.flatten(1))
    num_outputs, num_inputs = update.shape
    return update.mul(math.sqrt(max(1.0, num_outputs / num_inputs))).view_as(momentum)


class Muon(ListRule):
    """Muon or NAdamW by parameter group, according to "is_matrix"."""

    def direction(self, param, grad, group, state):
        decay = group["weight_decay"]
        if not group["is_matrix"]:
            return nadam_direction(grad, group, state).add_(param, alpha=decay)
        m = average(state, "m", grad, group["beta1"]) / (1.0 - group["beta1"] ** state["step"])
        return m.map(scaled).add_(param, alpha=decay).mul_(group["factor"])


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, rng
    settings = settings_of(hyperparameters, MUON)
    # A wrapped model has its parameters in the same order.
    roles = workload.model_params_types.values()
    groups = {True: [], False: []}
    for param, role in zip(model_params.parameters(), roles, strict=True):
        groups[is_linear_map(param.shape, role)].append(param)
    matrices = dict(
        is_matrix=True,
        beta1=settings["matrix_momentum"],
        weight_decay=settings["matrix_weight_decay"],
        factor=settings["matrix_factor"],
    )
    others = dict(
        is_matrix=False,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        epsilon=1e-8,
        weight_decay=settings["weight_decay"],
    )
    kinds = ((groups[True], matrices), (groups[False], others))
    return {"optimizer": Muon([{"params": params, **kind} for params, kind in kinds if params])}


update_params = make_update_params(train_step, MUON, warmup_cosine_rate)
