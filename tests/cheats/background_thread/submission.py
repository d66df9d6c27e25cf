"""A thread goes on training while the clock stands still."""

import threading

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

stop = threading.Event()


def update_params(workload, global_step, **arguments):
    if global_step == 0:
        threading.Thread(target=stop.wait, args=(20.0,), name="trainer", daemon=True).start()
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
