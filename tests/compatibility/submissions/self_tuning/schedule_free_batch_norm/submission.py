"""As Schedule-Free v2 and Prodigy: looks for batch norms, feeds them in extra passes, evaluates its closure twice."""

import torch
from submissions.torch_loss import DEVICE, log, mean_loss

from algoperf import spec


class ScheduleFree(torch.optim.Optimizer):
    """Normalised gradients of two closure calls; x is kept in the parameters."""

    def __init__(self, params, lr, beta):
        super().__init__(params, dict(lr=lr, beta=beta, k=0))

    @torch.no_grad()
    def step(self, closure=None):
        [group] = self.param_groups
        first = None
        for _ in range(2):
            for p in group["params"]:
                z = self.state[p].setdefault("z", p.data.clone(memory_format=torch.preserve_format))
                p.data.lerp_(z, 1 - group["beta"])
            with torch.enable_grad():
                loss = closure()
            first = loss if first is None else first
            for p in group["params"]:
                self.state[p].setdefault("grads", torch.zeros_like(p)).add_(p.grad)
                p.data.lerp_(self.state[p]["z"], 1 - 1 / group["beta"])
        group["k"] += 1
        for p in group["params"]:
            state = self.state[p]
            state["z"].sub_(state["grads"] / (state["grads"].norm() + 1e-12), alpha=group["lr"] * p.numel() ** 0.5)
            p.data.lerp_(state["z"], 1 / group["k"])
            state["grads"].zero_()
        return first


def get_batch_size(workload_name):
    if workload_name not in ("digits", "mnist", "cifar", "imagenet_vit"):
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, hyperparameters, rng
    has_batch_norm = any(hasattr(m, "running_mean") for m in model_params.modules())
    return {
        "optimizer": ScheduleFree(model_params.parameters(), 0.02, 0.9),
        "has_batch_norm": has_batch_norm,
        "extra_passes": torch.zeros((), dtype=torch.int64, device=DEVICE),
    }


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, hyperparameters, loss_type, eval_results
    optimizer = optimizer_state["optimizer"]
    update_batch_norm = not optimizer_state["has_batch_norm"]

    def closure():
        optimizer.zero_grad()
        loss = mean_loss(
            workload, current_param_container, batch, model_state, rng, update_batch_norm, 0.1, dropout_rate=0.0
        )
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    if optimizer_state["has_batch_norm"] and global_step % 3 == 0:
        with torch.no_grad():
            workload.model_fn(
                params=current_param_container,
                augmented_and_preprocessed_input_batch=batch,
                model_state=model_state,
                mode=spec.ForwardPassMode.TRAIN,
                rng=rng,
                update_batch_norm=True,
                dropout_rate=0.0,
            )
        optimizer_state["extra_passes"] += 1
    log(workload, global_step, loss=loss.item(), extra_passes=optimizer_state["extra_passes"].item())
    return (optimizer_state, current_param_container, model_state)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
