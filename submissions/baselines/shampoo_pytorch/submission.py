"""Shampoo with the step sizes of NAdamW, linear warm-up and cosine decay, in PyTorch.

https://arxiv.org/abs/1802.09568 and https://arxiv.org/abs/2002.09018: the momentum of a matrix is multiplied from both
sides by inverse fourth roots of averages of G G^T and G^T G, block by block, and scaled to the norm of NAdamW's
direction ("grafting"). Kernels with more than two axes are treated as matrices from all inputs to the outputs. Every
device computes all roots; Meta's Distributed Shampoo divides that work.
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.matrices import preconditioned_blocks
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import SHAMPOO
from algoperf.blocks.torch_rules import UpdateRule, nadam_momentum, root_mean_square
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

RIDGE = 1e-6


def inverse_fourth_root(statistic, previous):
    """The inverse fourth root of a positive semi-definite matrix, plus a ridge of 1e-6 times its largest eigenvalue.

    LAPACK returns NaN, or fails, if products of entries underflow. So the largest entry of what is decomposed is about
    1, and the diagonal has at least `RIDGE`. If there is no finite root, the result is the previous one.
    """
    identity = torch.eye(len(statistic), dtype=statistic.dtype, device=statistic.device)
    scale = statistic.abs().amax()
    usable = (scale > 0) & scale.isfinite()
    scaled = torch.where(usable, statistic / torch.where(usable, scale, 1.0), identity)
    values, vectors = torch.linalg.eigh(scaled + RIDGE * identity)
    values = (values - RIDGE).clamp(min=0.0) * torch.where(usable, scale, 0.0)
    root = (values + RIDGE * values[-1] + 1e-30) ** -0.25
    root = (vectors * root) @ vectors.T
    return torch.where(root.isfinite().all() & scale.isfinite(), root, previous)


class Shampoo(UpdateRule):
    """Shampoo's direction from update "start_step" on; NAdamW's before.

    Per block of a matrix, the state holds the averages of G G^T and G^T G as "statistics", and their most recent
    inverse fourth roots as "roots".
    """

    def direction(self, param, grad, group, state):
        n_hat = nadam_momentum(grad, group, state)
        graft = n_hat / root_mean_square(grad, group, state)
        blocks = preconditioned_blocks(len(grad), grad[0].numel()) if grad.ndim >= 2 else []
        if blocks:
            self._take_in(grad.flatten(1), blocks, group, state)
            if state["step"] >= group["start_step"]:
                graft = self._preconditioned(n_hat.flatten(1), blocks, state["roots"], graft)
        return graft.add_(param, alpha=group["weight_decay"])

    def _take_in(self, grad, blocks, group, state):
        pairs = [(g @ g.T, g.T @ g) for g in (grad[block] for block in blocks)]
        new = [statistic for pair in pairs for statistic in pair]
        if "statistics" not in state:
            state["statistics"] = [torch.zeros_like(statistic) for statistic in new]
            state["roots"] = [torch.eye(len(statistic), dtype=grad.dtype, device=grad.device) for statistic in new]
        for old, statistic in zip(state["statistics"], new, strict=True):
            old.mul_(group["beta2"]).add_(statistic, alpha=1.0 - group["beta2"])
        since_start = state["step"] - group["start_step"]
        if since_start >= 0 and since_start % group["root_every"] == 0:
            state["roots"] = [*map(inverse_fourth_root, state["statistics"], state["roots"])]

    def _preconditioned(self, momentum, blocks, roots, graft):
        """A matrix's momentum between its roots, with the norm of `graft`."""
        matrix = torch.empty_like(momentum)
        for block, left, right in zip(blocks, roots[::2], roots[1::2], strict=True):
            matrix[block] = left @ momentum[block] @ right
        largest = matrix.abs().amax()  # its square may be too large, or too small, for a norm
        matrix = matrix / torch.where(largest > 0, largest, 1.0)
        norm = matrix.norm()
        return (matrix * (graft.norm() / torch.where(norm > 0, norm, 1.0))).view_as(graft)


def make_optimizer(params, settings):
    return Shampoo(
        params,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        epsilon=1e-8,
        weight_decay=settings["weight_decay"],
        start_step=settings["start_step"],
        root_every=settings["root_every"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, SHAMPOO)
update_params = make_update_params(train_step, SHAMPOO, warmup_cosine_rate)
