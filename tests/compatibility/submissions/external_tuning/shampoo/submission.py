"""As Distributed Shampoo: own top-level package, work shared among processes, an optimizer without state_dict."""

import torch
from optimizers.distributed_shampoo.shampoo import DistributedShampoo, GraftingConfig
from submissions.torch_loss import gradient_norm, log, mean_loss

HUGE_DIMENSION = 40  # stands for 1,000,000: larger tensors go to an instance that never preconditions


def get_batch_size(workload_name):
    sizes = {"digits": 64, "mnist": 64}
    if workload_name not in sizes:
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return sizes[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, rng
    params = list(model_params.parameters())
    huge = [p for p in params if max(p.shape) >= HUGE_DIMENSION]
    common = dict(lr=hyperparameters.learning_rate, beta1=1.0 - hyperparameters.one_minus_beta1,
                  weight_decay=hyperparameters.weight_decay)  # fmt: skip
    optimizer = DistributedShampoo(
        [p for p in params if max(p.shape) < HUGE_DIMENSION],
        start_preconditioning_step=3, grafting_config=GraftingConfig(beta2=0.98), **common,
    )  # fmt: skip
    state = {"optimizer": optimizer, "scheduler": _schedule(optimizer, workload, hyperparameters)}
    if huge:
        state["optimizer_for_huge"] = DistributedShampoo(huge, start_preconditioning_step=float("inf"), **common)
        state["scheduler_for_huge"] = _schedule(state["optimizer_for_huge"], workload, hyperparameters)
    return state


def _schedule(optimizer, workload, hyperparameters):
    horizon = hyperparameters.step_hint_factor * workload.step_hint  # a float
    warmup = hyperparameters.warmup_factor * horizon
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup) * max(0.0, 1.0 - step / horizon)
    )


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng, train_state=None,
):  # fmt: skip
    del current_params_types, loss_type, eval_results
    current_param_container.train()
    optimizers = [value for name, value in optimizer_state.items() if name.startswith("optimizer")]
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss = mean_loss(
        workload, current_param_container, batch, model_state, rng,
        label_smoothing=hyperparameters.label_smoothing, dropout_rate=hyperparameters.dropout_rate,
    )  # fmt: skip
    loss.backward()
    if hasattr(hyperparameters, "grad_clip"):
        torch.nn.utils.clip_grad_norm_(current_param_container.parameters(), max_norm=hyperparameters.grad_clip)
    for optimizer in optimizers:
        optimizer.step()
    for name, scheduler in optimizer_state.items():
        if name.startswith("scheduler"):
            scheduler.step()
    log(
        workload, global_step, loss=loss.item(), grad_norm=gradient_norm(current_param_container),
        preconditioned=int(
            any(
                state["factors"] is not None and state["factors"].inverses is not None
                for state in optimizers[0].state.values()
            )
        ),
        clock=train_state["accumulated_submission_time"],
    )  # fmt: skip
    return (optimizer_state, current_param_container, None)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
