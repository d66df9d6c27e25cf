"""Update rules in PyTorch that several baselines share and torch.optim does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

Group = dict[str, Any]
State = dict[str, Any]


class UpdateRule(torch.optim.Optimizer):
    """An optimizer that updates one tensor at a time. A subclass defines the direction.

    Args:
      params: parameters, or parameter groups.
      settings: what the rule reads from a parameter's group, in addition to "lr", which is set at every step.
    """

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        # Loading a state adds "differentiable"; with it from the start, a restored optimizer is identical.
        super().__init__(params, {"lr": 0.0, "differentiable": False, **settings})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; `closure` is not used."""
        del closure
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    state = self.state[param]
                    state["step"] = state.get("step", 0) + 1
                    self.update(param, param.grad, group, state)

    def update(self, param: torch.Tensor, grad: torch.Tensor, group: Group, state: State) -> None:
        """Update one parameter in place."""
        param.add_(self.direction(param, grad, group, state), alpha=-group["lr"])

    def direction(self, param: torch.Tensor, grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
        """The direction, which is multiplied by the learning rate and subtracted from the parameter; a new tensor."""
        raise NotImplementedError(f"{type(self).__name__} defines neither update nor direction.")


def average(state: State, name: str, value: torch.Tensor, decay: float) -> torch.Tensor:
    """Update the exponential moving average of that name with a value, and return it. It starts at 0."""
    if name not in state:
        state[name] = torch.zeros_like(value)
    found: torch.Tensor = state[name].mul_(decay).add_(value, alpha=1.0 - decay)
    return found


def adam_direction(grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
    """Adam's direction with "beta1", "beta2" and "epsilon": bias-corrected mean over root mean square."""
    m = average(state, "m", grad, group["beta1"])
    return (m / (1.0 - group["beta1"] ** state["step"])).div_(root_mean_square(grad, group, state))


def nadam_direction(grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
    """Adam's direction with the first moment applied twice to the new gradient.

    Table 1 of https://arxiv.org/abs/1910.05446. `torch.optim.NAdam` has a momentum schedule, which is a different
    rule.
    """
    return nadam_momentum(grad, group, state).div_(root_mean_square(grad, group, state))


def nadam_momentum(grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
    """The bias-corrected first moment of NAdamW, in a new tensor."""
    m = average(state, "m", grad, group["beta1"])
    return m.lerp(grad, 1.0 - group["beta1"]).div_(1.0 - group["beta1"] ** state["step"])


def root_mean_square(grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
    """Adam's denominator: root of the bias-corrected average of squares, plus "epsilon"; in a new tensor."""
    v = average(state, "v", grad * grad, group["beta2"])
    return (v / (1.0 - group["beta2"] ** state["step"])).sqrt_().add_(group["epsilon"])


class NAdamW(UpdateRule):
    """NAdamW, with decoupled weight decay.

    Args:
      params: parameters, or parameter groups.
      beta1, beta2: decay of the averages of the gradients and their squares.
      weight_decay: times the learning rate, the share of a parameter that is subtracted.
      epsilon: added to the root of the second moment.
      cautious: zero the entries of each direction whose sign disagrees with the gradient, and scale the rest by
        1 / max(share of entries kept, 1e-3). https://arxiv.org/abs/2411.16085
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        beta1: float,
        beta2: float,
        weight_decay: float,
        epsilon: float = 1e-8,
        cautious: bool = False,
    ) -> None:
        super().__init__(
            params, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, cautious=cautious
        )

    def direction(self, param: torch.Tensor, grad: torch.Tensor, group: Group, state: State) -> torch.Tensor:
        """See `UpdateRule.direction`."""
        direction = nadam_direction(grad, group, state)
        if group["cautious"]:
            kept = (direction * grad > 0).to(direction.dtype)
            direction.mul_(kept / kept.mean().clamp_(min=1e-3))
        return direction.add_(param, alpha=group["weight_decay"])
