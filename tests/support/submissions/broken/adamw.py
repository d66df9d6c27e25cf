"""AdamW at a constant rate, correct or with one common mistake. Scale mini has to distinguish them."""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.spec import ForwardPassMode

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "make_update_params"]

LEARNING_RATE = 1e-3


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, hyperparameters, rng
    return {"optimizer": torch.optim.AdamW(model_params.parameters(), lr=LEARNING_RATE)}


def _all_real(name, value):
    """Weights of one, and paddings that say that there are none."""
    if type(value) is tuple:
        return value[0], torch.zeros_like(value[1])
    return torch.ones_like(value) if name == "weights" else value


def make_update_params(*, sign=1.0, update_batch_norm=True, use_mask=True):
    """The `update_params` of one step per call. The arguments introduce the mistakes."""

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
        del current_params_types, hyperparameters, loss_type, eval_results, global_step
        optimizer = optimizer_state["optimizer"]
        optimizer.zero_grad()
        if not use_mask:
            batch = {name: _all_real(name, value) for name, value in batch.items()}
        logits, model_state = workload.model_fn(
            current_param_container, batch, model_state, ForwardPassMode.TRAIN, rng, update_batch_norm
        )
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        (sign * loss["summed"] / loss["n_valid_examples"]).backward()
        optimizer.step()
        return optimizer_state, current_param_container, model_state

    return update_params
