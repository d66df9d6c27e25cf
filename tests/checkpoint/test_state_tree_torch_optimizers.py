"""State of PyTorch submissions: optimizers, schedulers, and what hangs on them."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from algoperf.errors import CheckpointMismatch
from algoperf.submission.loading import load_submission
from checkpoint_files import Files
from places import TEST_SUBMISSIONS
from torch_training import gradients, model, same, train


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path, "torch")


OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda params: torch.optim.Adam(params, 0.01, amsgrad=True),
    "nadam": lambda params: torch.optim.NAdam(params, 0.01),
    "adafactor": lambda params: torch.optim.Adafactor(params, 0.01),
    "lbfgs": lambda params: torch.optim.LBFGS(params, 0.1, history_size=3, max_iter=2),
    "rate in a tensor": lambda params: torch.optim.AdamW(params, torch.tensor(0.01)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_go_on_exactly(files, name):
    """State made at the first step only is not there in the template."""
    module = model()
    optimizer = OPTIMIZERS[name](module.parameters())
    train(module, optimizer, None, range(3))
    files.save({"optimizer": optimizer}, module)
    fresh = model(1)
    restored = files.restore({"optimizer": OPTIMIZERS[name](fresh.parameters())}, fresh)["optimizer"]
    assert same(restored.state_dict(), optimizer.state_dict())
    for one, other in ((module, optimizer), (fresh, restored)):
        train(one, other, None, range(3, 6))
    assert same(fresh.state_dict(), module.state_dict())
    assert same(restored.state_dict(), optimizer.state_dict())


class WithFactor:
    """A schedule with state, for LambdaLR."""

    def __init__(self) -> None:
        self.factor = 1.0

    def __call__(self, step: int) -> float:
        self.factor *= 0.9
        return self.factor


SCHEDULERS = {
    "lambda": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
    "lambda with state": lambda optimizer: lr_scheduler.LambdaLR(optimizer, WithFactor()),
    "sequential": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2), lr_scheduler.CosineAnnealingLR(optimizer, 5)],
        [2],
    ),
    "multistep": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [1, 2, 5], 0.5),
    "one cycle": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_go_on_exactly(files, name):
    def made(seed: int) -> tuple[nn.Module, dict[str, object]]:
        module = model(seed)
        optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
        return module, {"optimizer": optimizer, "scheduler": SCHEDULERS[name](optimizer)}

    module, state = made(0)
    train(module, state["optimizer"], state["scheduler"], range(3))
    files.save(state, module)
    fresh, template = made(1)
    restored = files.restore(template, fresh)
    for one, other in ((module, state), (fresh, restored)):
        train(one, other["optimizer"], other["scheduler"], range(3, 7))
    assert restored["scheduler"].get_last_lr() == state["scheduler"].get_last_lr()
    assert restored["scheduler"].optimizer is restored["optimizer"]
    assert same(fresh.state_dict(), module.state_dict())


def test_moments_in_bfloat16_stay_so(files):
    """`torch.optim.Optimizer.load_state_dict` would make them float32 (schedule-free AdamW keeps such)."""
    module = model()
    optimizer = torch.optim.Adam(module.parameters())
    train(module, optimizer, None, range(1))
    for state in optimizer.state.values():
        state["exp_avg_sq"] = state["exp_avg_sq"].bfloat16()
    files.save(optimizer, module)
    fresh = model(1)
    restored = files.restore(torch.optim.Adam(fresh.parameters()), fresh)
    assert same(restored.state_dict(), optimizer.state_dict())


@pytest.fixture(scope="module")
def own(repository):
    load_submission(TEST_SUBMISSIONS / "own_classes")
    return sys.modules["algoperf_submission.submission"]


def test_what_submissions_hang_on_an_optimizer(files, own):
    def made(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        module = model(seed)
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
        optimizer.params = list(module.parameters())
        optimizer.slow, optimizer.generator, optimizer.tracker = None, np.random.default_rng(seed), own.Tracker()
        return module, optimizer

    module, optimizer = made(0)
    optimizer.slow = [param.detach().clone() for param in optimizer.params]
    optimizer.k, optimizer.weight_sum, optimizer.seen = 3, float("inf"), {1: "a", "1": "b"}
    optimizer.generator.normal()
    optimizer.tracker.best = torch.ones(2)
    optimizer.register_step_post_hook(lambda *_: None)
    files.save(optimizer, module)
    fresh, template = made(1)
    restored = files.restore(template, fresh)
    assert all(param is other for param, other in zip(restored.params, fresh.parameters(), strict=True))
    assert same(restored.slow, optimizer.slow)
    assert (restored.k, restored.weight_sum, restored.seen) == (3, float("inf"), {1: "a", "1": "b"})
    assert restored.generator.normal() == optimizer.generator.normal()
    assert torch.equal(restored.tracker.best, torch.ones(2))
    with torch.no_grad():
        fresh[0].weight.fill_(0.0)
    assert restored.slow[0].abs().sum() > 0, "the slow weights share memory with the model"


class Wrapped(torch.optim.Optimizer):
    """Sharpness-aware minimisation and others step through an optimizer inside, which state_dict leaves out."""

    def __init__(self, params) -> None:
        super().__init__(params, {"lr": 0.1})
        self.inner = torch.optim.SGD(self.param_groups, 0.1, momentum=0.9)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        self.inner.step(closure)


def test_an_optimizer_within_an_optimizer(files):
    module = model()
    optimizer = Wrapped(module.parameters())
    train(module, optimizer, None, range(2))
    files.save(optimizer, module)
    fresh = model(1)
    restored = files.restore(Wrapped(fresh.parameters()), fresh)
    for one, other in ((module, optimizer), (fresh, restored)):
        other.param_groups[0]["lr"] = 0.5
        train(one, other, None, range(2, 4))
    assert same(fresh.state_dict(), module.state_dict())


def test_restored_tensors_are_what_autograd_knows(files):
    """Filled in place: the optimizer's parameters are the model's, and training moves them."""
    module = model()
    files.save({"optimizer": torch.optim.SGD(module.parameters(), 0.1)}, module)
    fresh = model(1)
    before = list(fresh.parameters())
    restored = files.restore({"optimizer": torch.optim.SGD(fresh.parameters(), 0.1)}, fresh)["optimizer"]
    assert all(one is other for one, other in zip(before, fresh.parameters(), strict=True))
    train(fresh, restored, None, range(1))
    assert not same(fresh.state_dict(), module.state_dict())


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (None, "state/opt was a torch.optim.adam.Adam, but init_optimizer_state makes a builtins.NoneType"),
        ([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))], "state/opt: Adam.load_state_dict failed"),
    ],
)
def test_an_optimizer_that_does_not_fit_is_refused_by_name(files, made, names):
    optimizer = torch.optim.Adam(model().parameters())
    template = None if made is None else torch.optim.Adam(made)
    with pytest.raises(CheckpointMismatch, match=names):
        files.through({"opt": optimizer}, {"opt": template})


class WithoutStateDict(torch.optim.SGD):
    """As Distributed Shampoo: it has the methods, and they say that it has not."""

    def state_dict(self):
        raise NotImplementedError

    def load_state_dict(self, state_dict):
        raise NotImplementedError


def test_an_optimizer_that_has_no_state_dict_after_all(files):
    """It is taken apart as any other object; parameters are the model's, and its schedule goes on."""

    def make() -> tuple[nn.Module, torch.optim.Optimizer, lr_scheduler.ExponentialLR]:
        module = model()
        optimizer = WithoutStateDict(module.parameters(), 0.1, momentum=0.9)
        return module, optimizer, lr_scheduler.ExponentialLR(optimizer, 0.5)

    module, optimizer, schedule = make()

    def step(number: int) -> None:
        gradients(module, number)
        optimizer.step()
        schedule.step()

    step(0)
    files.save({"optimizer": optimizer, "schedule": schedule}, module)
    step(1)
    expected = [param.detach().clone() for param in module.parameters()]
    module, optimizer, schedule = make()
    restored = files.restore({"optimizer": optimizer, "schedule": schedule}, module)
    optimizer, schedule = restored["optimizer"], restored["schedule"]
    assert all(a is b for a, b in zip(optimizer.param_groups[0]["params"], module.parameters(), strict=True))
    step(1)
    assert same([param.detach() for param in module.parameters()], expected)


def test_loading_adds_nothing_to_an_optimizers_defaults(files):
    """torch.optim completes them when it loads, and what is saved later must not depend on that."""

    class Plain(torch.optim.Optimizer):
        def step(self):
            """Nothing."""

    def make() -> torch.optim.Optimizer:
        return Plain(model().parameters(), {"lr": 0.1})

    assert list(files.through(make(), make()).defaults) == ["lr"]
