"""As Muon: splits parameters by name and rank of tensor, deals matrices out to processes, ends training itself."""

import os

import torch
import torch.distributed as dist
from submissions.torch_loss import log, mean_loss
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from algoperf.spec import TrainingCompleteError

RANK = int(os.environ.get("RANK", "0"))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", "0"))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", "1"))
TOTAL_FACTOR = 0.02  # of the step hint; published entries go all the way


@torch.compile(backend="eager")
def zeropower(matrix):
    """Newton-Schulz iteration in bfloat16."""
    x = matrix.bfloat16() / (matrix.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Every process orthogonalises its share of the matrices and sends the rest of them around."""

    def __init__(self, params, lr, momentum):
        super().__init__(list(params), dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for index, p in enumerate(group["params"]):
                update = torch.zeros_like(p)
                if index % WORLD_SIZE == RANK:
                    buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    update = zeropower(buffer.reshape(len(buffer), -1)).reshape(p.shape)
                if WORLD_SIZE > 1:
                    dist.broadcast(update, src=index % WORLD_SIZE)
                scale = max(1, p.size(0) / p[0].numel()) ** 0.5
                p.add_(update, alpha=-group["lr"] * scale)


def get_batch_size(workload_name):
    if workload_name not in ("digits", "mnist", "cifar", "imagenet_vit"):
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return 64


def plain_name(name):
    for prefix in ("module.", "_orig_mod."):
        name = name.replace(prefix, "")
    return name


def _is_matrix(name, param):
    return param.ndim >= 2 and not any(word in name.lower() for word in ("embedding", "embed_tokens"))


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, hyperparameters, rng
    named = {plain_name(name): param for name, param in model_params.named_parameters()}
    assert named.keys() == workload.param_shapes.keys()
    assert all(tuple(workload.param_shapes[name].shape_tuple) == param.shape for name, param in named.items())
    matrices = [param for name, param in named.items() if _is_matrix(name, param)]
    others = [param for name, param in named.items() if not _is_matrix(name, param)]
    optimizers = [
        Muon(matrices, lr=0.05, momentum=0.95),
        torch.optim.AdamW(others, lr=0.01, betas=(0.9, 0.999), weight_decay=0.0, fused=True),
    ]
    return {"optimizers": optimizers, "schedulers": [_schedule(each, workload.step_hint) for each in optimizers]}


def _schedule(optimizer, horizon):
    warmup = LinearLR(optimizer, start_factor=1e-10, end_factor=1.0, total_iters=0)
    return SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, T_max=horizon)], milestones=[0])


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, hyperparameters, loss_type, eval_results
    if global_step >= int(TOTAL_FACTOR * workload.step_hint):
        raise TrainingCompleteError
    for optimizer in optimizer_state["optimizers"]:
        optimizer.zero_grad(set_to_none=True)
    loss = mean_loss(workload, current_param_container, batch, model_state, rng, label_smoothing=0.1, dropout_rate=0.1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(current_param_container.parameters(), max_norm=1.0)
    for optimizer in optimizer_state["optimizers"]:
        optimizer.step()
    for scheduler in optimizer_state["schedulers"]:
        scheduler.step()
    log(workload, global_step, loss=loss.item(), world_size=WORLD_SIZE, rank=LOCAL_RANK,
        matrices=len(optimizer_state["optimizers"][0].param_groups[0]["params"]))  # fmt: skip
    return (optimizer_state, current_param_container, model_state)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
