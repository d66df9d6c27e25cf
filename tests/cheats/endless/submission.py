"""Never comes back."""

import threading

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    threading.Event().wait()
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
