"""Asks somebody else."""

import contextlib
import socket

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
