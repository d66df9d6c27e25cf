"""NAdamW with linear warm-up and cosine decay, in PyTorch: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `torch.optim.NAdam` differs.
"""

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import NADAMW
from algoperf.blocks.torch_rules import NAdamW
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(params, settings):
    return NAdamW(
        params,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, NADAMW)
update_params = make_update_params(train_step, NADAMW, warmup_cosine_rate)
