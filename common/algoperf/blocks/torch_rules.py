"""Update rules in PyTorch that several baselines share and torch.optim does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

import torch

from algoperf.blocks.torch_lists import States, Tensors, gradients, lists_of, names_and_numbers

Group = dict[str, Any]
State = MutableMapping[str, Any]
Values = Any  # torch.Tensor or Tensors: the functions below work on both


class UpdateRule(torch.optim.Optimizer):
    """An optimizer that updates one tensor at a time. A subclass defines the direction.

    `ListRule` is the same for lists of tensors, which is faster on a GPU.

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
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                self.state[param]["step"] = self.state[param].get("step", 0) + 1
            for some, grad, state in self.parts(params):
                self.update(some, grad, group, state)

    def parts(self, params: list[torch.Tensor]) -> Iterator[tuple[Values, Values, State]]:
        """What to update at a time: parameters, their gradients, and their state."""
        for param in params:
            yield param, param.grad, self.state[param]

    def update(self, param: Values, grad: Values, group: Group, state: State) -> None:
        """Update one parameter in place."""
        param.add_(self.direction(param, grad, group, state), alpha=-group["lr"])

    def direction(self, param: Values, grad: Values, group: Group, state: State) -> Values:
        """The direction, which is multiplied by the learning rate and subtracted from the parameter; a new tensor."""
        raise NotImplementedError(f"{type(self).__name__} defines neither update nor direction.")


class ListRule(UpdateRule):
    """An `UpdateRule` whose methods get many tensors at once: `Tensors` as parameter and gradient, `States` as state.

    The state of a tensor holds tensors and numbers only. Each intermediate result is as large as the parameters in the
    list: 64 MiB on a GPU at most, or one tensor, if that is larger. So a parameter of 2 GB takes no more than before.
    """

    def parts(self, params: list[torch.Tensor]) -> Iterator[tuple[Values, Values, State]]:
        """See `UpdateRule.parts`."""
        for some in lists_of(params, lambda param: names_and_numbers(self.state[param])):
            yield some, gradients(some), States([self.state[param] for param in some.each])


def average(state: State, name: str, value: Values, decay: float) -> Values:
    """Update the exponential moving average of that name with a value, and return it. It starts at 0."""
    if name not in state:
        state[name] = value.map(torch.zeros_like) if isinstance(value, Tensors) else torch.zeros_like(value)
    return state[name].mul_(decay).add_(value, alpha=1.0 - decay)


def adam_direction(grad: Values, group: Group, state: State) -> Values:
    """Adam's direction with "beta1", "beta2" and "epsilon": bias-corrected mean over root mean square."""
    m = average(state, "m", grad, group["beta1"])
    return (m / (1.0 - group["beta1"] ** state["step"])).div_(root_mean_square(grad, group, state))


def nadam_direction(grad: Values, group: Group, state: State) -> Values:
    """Adam's direction with the first moment applied twice to the new gradient.

    Table 1 of https://arxiv.org/abs/1910.05446. `torch.optim.NAdam` has a momentum schedule, which is a different
    rule.
    """
    return nadam_momentum(grad, group, state).div_(root_mean_square(grad, group, state))


def nadam_momentum(grad: Values, group: Group, state: State) -> Values:
    """The bias-corrected first moment of NAdamW, in a new tensor."""
    m = average(state, "m", grad, group["beta1"])
    return m.lerp(grad, 1.0 - group["beta1"]).div_(1.0 - group["beta1"] ** state["step"])


def root_mean_square(grad: Values, group: Group, state: State) -> Values:
    """Adam's denominator: root of the bias-corrected average of squares, plus "epsilon"; in a new tensor."""
    v = average(state, "v", grad * grad, group["beta2"])
    return (v / (1.0 - group["beta2"] ** state["step"])).sqrt_().add_(group["epsilon"])


class NAdamW(ListRule):
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

    def direction(self, param: Values, grad: Values, group: Group, state: State) -> Values:
        """See `UpdateRule.direction`."""
        direction = nadam_direction(grad, group, state)
        if group["cautious"]:
            agrees = (direction * grad).sign_().clamp_min_(0.0)
            shares = agrees.map(torch.mean).stack().clamp_(min=1e-3)
            direction.mul_(agrees.div_(shares.unbind()))
        return direction.add_(param, alpha=group["weight_decay"])
