"""One step of plain gradient descent in PyTorch."""

import torch

from algoperf.spec import ForwardPassMode


def descend(workload, model, model_state, batch, rate, rng):
    model.zero_grad()
    logits, _ = workload.model_fn(model, batch, model_state, ForwardPassMode.TRAIN, rng, True)
    workload.loss_fn(batch["targets"], logits, batch.get("weights"))["summed"].div(len(logits)).backward()
    with torch.no_grad():
        for param in model.parameters():
            param.sub_(param.grad, alpha=rate)
    return model, model_state
