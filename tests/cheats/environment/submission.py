"""Changes the environment that libraries look at."""

import os

from honest import data_selection, get_batch_size, init_optimizer_state, update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

os.environ["OMP_NUM_THREADS"] = "64"
