"""Asks for a single huge evaluation batch."""

from honest import data_selection, get_batch_size, init_optimizer_state, update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def get_eval_batch_size(workload_name):
    return 10**9
