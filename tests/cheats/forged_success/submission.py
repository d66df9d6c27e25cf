"""Exits as if all were well."""

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

from algoperf.errors import AlgoperfError

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


class AllIsWell(AlgoperfError):
    exit_code = 0


def update_params(workload, global_step, **arguments):
    if global_step == 2:
        raise AllIsWell("done")
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
