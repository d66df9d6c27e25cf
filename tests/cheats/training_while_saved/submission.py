"""Trains when its state is written to a checkpoint, which is not on the clock."""

import honest
from honest import data_selection, get_batch_size

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

latest = {}


class Average:
    """Has a state to save, as it seems."""

    def state_dict(self):
        honest.update_params(**latest)
        return {"decay": 0.9}

    def load_state_dict(self, state):
        del state


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    state = honest.init_optimizer_state(workload, model_params, model_state, hyperparameters, rng)
    return {**state, "average": Average()}


def update_params(**arguments):
    latest.update(arguments)
    return honest.update_params(**arguments)
