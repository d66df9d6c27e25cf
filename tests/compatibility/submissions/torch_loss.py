"""The loss that published PyTorch entries descend on. Imported by the long name, `submissions.torch_loss`."""

import torch
import torch.distributed.nn as dist_nn

from algoperf import spec
from algoperf.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP, RANK, DEVICE, N_GPUS = pytorch_setup()


def mean_loss(workload, params, batch, model_state, rng, update_batch_norm=True, label_smoothing=0.0, **dropout):
    """Mean over the global batch: the all_reduce can be differentiated, so DDP's average comes out right."""
    logits, _ = workload.model_fn(
        params=params,
        augmented_and_preprocessed_input_batch=batch,
        model_state=model_state,
        mode=spec.ForwardPassMode.TRAIN,
        rng=rng,
        update_batch_norm=update_batch_norm,
        **dropout,
    )
    loss_dict = workload.loss_fn(
        label_batch=batch["targets"],
        logits_batch=logits,
        mask_batch=batch.get("weights"),
        label_smoothing=label_smoothing,
    )
    summed, n_valid_examples = loss_dict["summed"], loss_dict["n_valid_examples"]
    if USE_PYTORCH_DDP:
        summed = dist_nn.all_reduce(summed)
        n_valid_examples = dist_nn.all_reduce(n_valid_examples)
    return summed / n_valid_examples


def log(workload, global_step, **metrics):
    """What entries write at times, and these at every step: the tests read it."""
    if workload.metrics_logger is not None:
        workload.metrics_logger.append_scalar_metrics(metrics, global_step)


def gradient_norm(params):
    """Global norm of all gradients."""
    return torch.nn.utils.clip_grad_norm_(params.parameters(), max_norm=float("inf")).item()
