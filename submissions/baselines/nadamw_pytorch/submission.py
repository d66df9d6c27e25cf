"""NAdamW with linear warm-up and cosine decay, in PyTorch: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `torch.optim.NAdam` differs.
External tuning takes the point of `tuning_search_space.json`; self-tuning has constants.
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size as get_batch_size
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import warmup_cosine
from algoperf.blocks.torch_step import train_step

EPSILON = 1e-8
SELF_TUNING = {
    "learning_rate": 0.0017486387539278373,
    "one_minus_beta1": 0.06733926164,
    "beta2": 0.9955159689799007,
    "weight_decay": 0.08121616522670176,
    "warmup_factor": 0.02,
    "label_smoothing": 0.0,
    "dropout_rate": 0.1,
}


class NAdamW(torch.optim.Optimizer):
    """Adam with the first moment applied a second time to the new gradient, and decoupled weight decay."""

    def __init__(self, params, beta1, beta2, epsilon, weight_decay):
        super().__init__(params, {"lr": 0.0})
        self.beta1, self.beta2, self.epsilon, self.weight_decay = beta1, beta2, epsilon, weight_decay

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient; `closure` is not used."""
        del closure
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, group["lr"])

    def _update(self, param, learning_rate):
        state, grad = self.state[param], param.grad
        if not state:
            state.update(count=0, m=torch.zeros_like(param), v=torch.zeros_like(param))
        state["count"] += 1
        m = state["m"].lerp_(grad, 1.0 - self.beta1)
        v = state["v"].mul_(self.beta2).addcmul_(grad, grad, value=1.0 - self.beta2)
        n_hat = m.lerp(grad, 1.0 - self.beta1).div_(1.0 - self.beta1 ** state["count"])
        denominator = (v / (1.0 - self.beta2 ** state["count"])).sqrt_().add_(self.epsilon)
        param.mul_(1.0 - learning_rate * self.weight_decay).addcdiv_(n_hat, denominator, value=-learning_rate)


def _settings(hyperparameters):
    return SELF_TUNING if hyperparameters is None else hyperparameters._asdict()


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, rng
    h = _settings(hyperparameters)
    parameters = model_params.parameters()
    return {"optimizer": NAdamW(parameters, 1.0 - h["one_minus_beta1"], h["beta2"], EPSILON, h["weight_decay"])}


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
    h = _settings(hyperparameters)
    warmup_steps = int(h["warmup_factor"] * workload.step_hint)
    learning_rate = warmup_cosine(global_step, h["learning_rate"], warmup_steps, workload.step_hint)
    model_state, metrics = train_step(
        workload, optimizer_state["optimizer"], current_param_container, model_state, batch, rng,
        learning_rate, h["label_smoothing"], h["dropout_rate"], h.get("grad_clip"),
    )  # fmt: skip
    log_metrics(workload, global_step, **metrics)
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
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
