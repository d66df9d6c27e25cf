"""The same, with a program of its own."""

import subprocess

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    if global_step == 0:
        subprocess.Popen(["sleep", "5"])
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
