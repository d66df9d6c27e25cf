"""Adafactor with momentum on the step, linear warm-up and cosine decay, in PyTorch.

The variant of Praxis, on which the published baseline is based: https://arxiv.org/abs/1804.04235 without scaling by
the size of the parameters, with a bias-corrected decay of 0.99, and momentum after the learning rate.
`torch.optim.Adafactor` has a different decay and no momentum.
"""

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import ADAFACTOR
from algoperf.blocks.torch_lists import Tensors
from algoperf.blocks.torch_rules import ListRule, average
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

DECAY, SMALLEST_SQUARE, LARGEST_RMS = 0.99, 1e-30, 1.0


def normalised(grad, state):
    """A gradient divided by the root of its mean squares, with its root mean square clipped."""
    step = state["step"]
    decay = DECAY * (1.0 - DECAY ** (step - 1)) / (1.0 - DECAY**step)
    squares = grad.square().add_(SMALLEST_SQUARE)
    if grad.ndim >= 2:
        row = average(state, "row", squares.mean(-1), decay)
        column = average(state, "column", squares.mean(-2), decay)
        row = (row / row.mean(-1, keepdim=True)).clamp_(min=SMALLEST_SQUARE)  # else 0 beside very large rows
        grad = grad / (row.sqrt()[..., None] * column.sqrt()[..., None, :])
    else:
        grad = grad / average(state, "all", squares, decay).sqrt()
    return grad.div_((grad.square().mean().sqrt() / LARGEST_RMS).clamp_(min=1.0))


class Adafactor(ListRule):
    """Factored second moments, with momentum on the step."""

    def update(self, param, grad, group, state):
        direction = Tensors(map(normalised, grad.each, state.each))
        m = average(state, "m", direction.mul_(group["lr"]), group["beta1"])
        param.mul_(1.0 - group["weight_decay"] * group["lr"]).sub_(m)


def make_optimizer(params, settings):
    return Adafactor(params, beta1=1.0 - settings["one_minus_beta1"], weight_decay=settings["weight_decay"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, ADAFACTOR)
update_params = make_update_params(train_step, ADAFACTOR, warmup_cosine_rate)
