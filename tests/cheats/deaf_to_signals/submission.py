"""Cannot be stopped."""

import signal

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
