# SPDX-License-Identifier: Apache-2.0
"""The NAdamW baseline with smaller batches and a larger learning rate, which decays over more steps.

In the model track the data set is known, so its batch size and rates are part of the submission.
"""

from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine
from algoperf.blocks.self_tuning import NADAMW
from algoperf.blocks.torch_rules import NAdamW
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

SETTINGS = {**NADAMW, "learning_rate": 0.004, "weight_decay": 0.01, "warmup_steps": 10, "horizon_factor": 4}


def get_batch_size(workload_name):
    del workload_name  # it is made for one data set
    return 8


def make_optimizer(params, settings):
    return NAdamW(
        params,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        weight_decay=settings["weight_decay"],
    )


def learning_rate(settings, step, horizon):
    return warmup_cosine(
        step, settings["learning_rate"], settings["warmup_steps"], settings["horizon_factor"] * horizon
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, SETTINGS)
update_params = make_update_params(train_step, SETTINGS, learning_rate)
