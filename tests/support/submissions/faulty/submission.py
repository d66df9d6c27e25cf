"""Gradient descent in either framework that fails as the variable FAULT says: "<function> <step> <what>".

With FAULT_RANK set, only that process fails.
"""

import contextlib
import ctypes
import os
import socket
import sys
import time

from algoperf import spec

from .wrong_values import wrong_value


def fault(function, step=0):
    """What to return instead of the correct value; None if there is no fault."""
    where, at, what = os.environ.get("FAULT", "nowhere 0 -").split(maxsplit=2)
    rank = os.environ.get("RANK", "0")
    if function != where or step != int(at) or rank != os.environ.get("FAULT_RANK", rank):
        return None
    if what == "call out and raise":
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()
    if what.endswith("raise"):
        raise ValueError(f"wrong in {function} of process {rank}")
    if what == "exit":
        sys.exit(0)
    if what == "memory":
        raise MemoryError("no room")
    if what == "device memory":
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
    if what == "complete":
        raise spec.TrainingCompleteError("done")
    if what == "leave":
        os._exit(0)
    if what == "segfault":
        ctypes.string_at(0)
    if what == "be killed":
        os.kill(os.getpid(), 9)
    if what == "hang":
        time.sleep(1000)
    return what


def get_batch_size(workload_name):
    del workload_name
    fault("get_batch_size")
    return int(os.environ.get("BATCH_SIZE", "64"))


class Stateful:
    """An object that can save its state, or fails to."""

    def state_dict(self):
        fault("state_dict")
        return {}

    def load_state_dict(self, state):
        assert state == {}


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, hyperparameters, rng, model_params, model_state
    if fault("init_optimizer_state") == "none":
        return None
    return {"steps": 0, "stateful": Stateful()}


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del current_params_types, loss_type, eval_results
    wrong = fault("update_params", global_step)
    if wrong == "none":
        return None
    if wrong not in (None, "nan"):
        return wrong_value(wrong, optimizer_state, current_param_container, model_state)
    rate = 0.1 if hyperparameters is None else hyperparameters.learning_rate
    rate = float("nan") if wrong == "nan" else rate
    optimizer_state["steps"] += 1
    if isinstance(current_param_container, dict):
        from .descent_jax import descend
    else:
        from .descent_pytorch import descend
    params, model_state = descend(workload, current_param_container, model_state, batch, rate, rng)
    return optimizer_state, params, model_state


def prepare_for_eval(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del workload, current_params_types, hyperparameters, loss_type, eval_results, rng
    wrong = fault("prepare_for_eval", global_step)
    if wrong is not None:
        return None if wrong == "none" else wrong_value(wrong, optimizer_state, current_param_container, model_state)
    return optimizer_state, current_param_container, model_state


def data_selection(
    workload,
    input_queue,
    optimizer_state,
    current_param_container,
    model_state,
    hyperparameters,
    global_step,
    rng,
):
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, rng
    wrong = fault("data_selection", global_step)
    if wrong is not None:
        return None if wrong == "none" else 3
    return next(input_queue)
