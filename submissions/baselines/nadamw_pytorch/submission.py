"""NAdamW with linear warm-up and cosine decay, in PyTorch: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `torch.optim.NAdam` differs.
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import NADAMW, settings_of
from algoperf.blocks.torch_step import train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

EPSILON = 1e-8


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


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, rng
    settings = settings_of(hyperparameters, NADAMW)
    optimizer = NAdamW(
        model_params.parameters(),
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        epsilon=EPSILON,
        weight_decay=settings["weight_decay"],
    )
    return {"optimizer": optimizer}


update_params = make_update_params(train_step, NADAMW, warmup_cosine_rate)
