# SPDX-License-Identifier: Apache-2.0
"""Template: AdamW with linear warm-up and cosine decay, in PyTorch.

It runs as it is: change what you like. The harness calls the functions that `__all__` names; here, `algoperf.blocks`
makes them. For an idea that is more than an optimizer, write some of them yourself (docs/porting.md), or the optional
`prepare_for_eval` (docs/submissions.md). What they may look at, and what they must not do, is in docs/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

# Under external tuning the harness takes these values from tuning_search_space.json. The ones here hold if the
# submission is run under self-tuning.
SETTINGS = {
    "learning_rate": 3e-3,
    "warmup_factor": 0.05,  # of the workload's step hint
    "weight_decay": 1e-2,
    "dropout_rate": 0.0,
    "label_smoothing": 0.1,
}


def make_optimizer(params: Iterable[torch.nn.Parameter], settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimizer, whose learning rate every step sets; called once, before the clock starts."""
    return torch.optim.AdamW(params, weight_decay=settings["weight_decay"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, SETTINGS)
# A step: loss, gradient of its mean over all devices, optimizer. The learning rate warms up, then decays as a cosine.
update_params = make_update_params(train_step, SETTINGS, warmup_cosine_rate)
