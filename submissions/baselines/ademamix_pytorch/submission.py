"""AdEMAMix with linear warm-up and cosine decay, in PyTorch. https://arxiv.org/abs/2409.03137

AdamW with a second, slow average of gradients, whose weight and decay have a separate warm-up.
"""

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import slow_average, warmup_cosine_rate
from algoperf.blocks.self_tuning import ADEMAMIX
from algoperf.blocks.torch_rules import ListRule, average, root_mean_square
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


class AdEMAMix(ListRule):
    """The sum of a bias-corrected fast average and `alpha` times a slow one, over the root mean square."""

    def direction(self, param, grad, group, state):
        fast = average(state, "m", grad, group["beta1"]) / (1.0 - group["beta1"] ** state["step"])
        slow = average(state, "slow", grad, group["beta3"])
        direction = fast.add_(slow, alpha=group["alpha"]).div_(root_mean_square(grad, group, state))
        return direction.add_(param, alpha=group["weight_decay"])


def make_optimizer(params, settings):
    return AdEMAMix(
        params,
        beta1=settings["beta1"],
        beta2=settings["beta2"],
        epsilon=1e-8,
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, ADEMAMIX)
update_params = make_update_params(train_step, ADEMAMIX, warmup_cosine_rate, slow_average)
