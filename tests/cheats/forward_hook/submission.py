"""Changes what a layer computes, by a hook."""

import honest
from honest import data_selection, get_batch_size, init_optimizer_state

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def update_params(workload, global_step, **arguments):
    if global_step == 0:
        model = arguments["current_param_container"]
        model.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
