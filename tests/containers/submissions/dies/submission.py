"""Kills its own process, as the kernel does when memory runs out."""

import os
import signal

from sgd_pytorch.submission import data_selection, get_batch_size, update_params  # noqa: F401


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    os.kill(os.getpid(), signal.SIGKILL)
