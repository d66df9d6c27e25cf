"""As Schedule-Free v1: the older package name, a closure that swaps weights, restarts from a copy on the host."""

import collections

import torch
from submissions.torch_loss import log, mean_loss

from algorithmic_efficiency import spec
from algorithmic_efficiency.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]
HPARAMS = {"learning_rate": 1e-7, "one_minus_beta1": 0.1, "beta2": 0.9955159689799007, "label_smoothing": 0.2,
           "dropout_rate": 0.1, "r": 0.75, "warmup_steps": 2}  # fmt: skip
HPARAMS = collections.namedtuple("Hyperparameters", HPARAMS)(**HPARAMS)
RATE_AFTER_RESTART = 0.02  # published entries begin with a useful rate, and halve it
PATIENCE = 2  # evaluations without gain


class AdamWScheduleFree(torch.optim.Optimizer):
    """The parameters are the average x between steps; gradients are taken at y."""

    def __init__(self, params, lr, beta1, beta2, r, warmup_steps):
        defaults = dict(lr=lr, beta1=beta1, beta2=beta2, r=r, k=0, warmup_steps=warmup_steps,
                        weight_sum=0.0, lr_max=-1.0)  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure):
        for group in self.param_groups:
            for p in group["params"]:
                if "z" not in self.state[p]:
                    self.state[p]["z"] = torch.clone(p.data)
                    self.state[p]["exp_avg_sq"] = torch.zeros_like(p.data, dtype=torch.bfloat16)
                p.data.lerp_(end=self.state[p]["z"], weight=1 - group["beta1"])  # x -> y
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            self._update(group)
        return loss

    def _update(self, group):
        k = group["k"]
        lr = group["lr"] * min(1.0, (k + 1) / group["warmup_steps"])
        group["lr_max"] = max(lr, group["lr_max"])
        weight = (k + 1) ** group["r"] * group["lr_max"] ** 2
        group["weight_sum"] += weight
        bias_correction = 1 - group["beta2"] ** (k + 1)
        for p in group["params"]:
            z, v, grad = self.state[p]["z"], self.state[p]["exp_avg_sq"], p.grad
            p.data.lerp_(end=z, weight=1 - 1 / group["beta1"])  # y -> x
            v.mul_(group["beta2"]).addcmul_(grad, grad, value=1 - group["beta2"])
            z.addcdiv_(grad, v.float().sqrt().add_(1e-8), value=-lr * bias_correction**0.5)
            p.data.lerp_(end=z, weight=weight / group["weight_sum"])
        group["k"] = k + 1


def get_batch_size(workload_name):
    return {"digits": 64, "imagenet_resnet": 768, "fastmri": 16}[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, hyperparameters, rng, workload
    optimizer = AdamWScheduleFree(
        model_params.parameters(), lr=HPARAMS.learning_rate, beta1=1.0 - HPARAMS.one_minus_beta1,
        beta2=HPARAMS.beta2, r=HPARAMS.r, warmup_steps=HPARAMS.warmup_steps,
    )  # fmt: skip
    optimizer.initial_weights = [p.detach().cpu().clone() for p in model_params.parameters()]
    optimizer.restarts = 0
    return {"optimizer": optimizer}


def _diverged(workload, eval_results):
    name = f"validation/{workload.target_metric_name}"
    if len(eval_results) <= PATIENCE:
        return False
    values = [metrics[name] for _, metrics in eval_results]
    lower_is_better = workload.target_metric_name in ("loss", "wer")
    gains = [value - values[0] for value in values[-PATIENCE:]]
    return all((-gain if lower_is_better else gain) < 0.01 for gain in gains)


def _restart(optimizer, params):
    for p, initial in zip(params.parameters(), optimizer.initial_weights, strict=True):
        p.data.copy_(initial)
    optimizer.state = collections.defaultdict(dict)
    for group in optimizer.param_groups:
        group.update(k=0, weight_sum=0.0, lr_max=-1.0, lr=RATE_AFTER_RESTART)
    optimizer.restarts += 1


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
) -> spec.UpdateReturn:  # fmt: skip
    del current_params_types, hyperparameters, loss_type
    optimizer = optimizer_state["optimizer"]
    if optimizer.restarts == 0 and _diverged(workload, eval_results):
        _restart(optimizer, current_param_container)
        model_state = None

    def closure():
        optimizer.zero_grad()
        loss = mean_loss(
            workload, current_param_container, batch, model_state, rng,
            label_smoothing=HPARAMS.label_smoothing, dropout_rate=HPARAMS.dropout_rate,
        )  # fmt: skip
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    log(workload, global_step, loss=loss.item(), restarts=optimizer.restarts)
    return (optimizer_state, current_param_container, model_state)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
