"""A second process goes on training while the clock stands still."""

import os
import time

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    if global_step == 0 and os.fork() == 0:
        time.sleep(1.0)
        os._exit(0)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
