"""Updates of many tensors at once have exactly the results of updates one after another, and start few operations."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from algoperf.blocks import torch_lists
from algoperf.blocks.torch_lists import States, Tensors, lists_of
from algoperf.blocks.torch_rules import ListRule, NAdamW, UpdateRule
from odd_gradients import GRADIENTS, SHAPES, Trainer, normal
from places import BASELINES

SETTINGS = dict(beta1=0.9, beta2=0.98, weight_decay=0.1)
RATE, EPSILON = 0.02, 1e-8
FOLDERS = sorted(path.parent for path in BASELINES.glob("*_pytorch/submission.py"))


def nadamw_of_one_tensor(param, grad, state, cautious):
    """The rule in operations on single tensors, in the order that decides about the last bit."""
    beta1, beta2 = SETTINGS["beta1"], SETTINGS["beta2"]
    if not state:
        state.update(step=0, m=torch.zeros_like(param), v=torch.zeros_like(param))
    state["step"] += 1
    state["m"].mul_(beta1).add_(grad, alpha=1.0 - beta1)
    momentum = state["m"].lerp(grad, 1.0 - beta1) / (1.0 - beta1 ** state["step"])
    state["v"].mul_(beta2).add_(grad * grad, alpha=1.0 - beta2)
    direction = momentum / ((state["v"] / (1.0 - beta2 ** state["step"])).sqrt() + EPSILON)
    if cautious:
        kept = (direction * grad > 0).float()
        direction = direction * (kept / kept.mean().clamp(min=1e-3))
    param.add_(direction.add_(param, alpha=SETTINGS["weight_decay"]), alpha=-RATE)


def has_gradient(name: str, step: int) -> bool:
    return not (name == "embedding" and step % 3 == 1) and not (name == "vector" and step < 4)


def parameters() -> dict[str, torch.nn.Parameter]:
    return {name: torch.nn.Parameter(torch.from_numpy(array)) for name, array in normal(1000).items()}


def nadamw(params, cautious):
    optimizer = NAdamW(params.values(), **SETTINGS, cautious=cautious)
    optimizer.param_groups[0]["lr"] = RATE
    return optimizer


@pytest.mark.parametrize("limit", [0, 300, 2**20])
@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("kind", GRADIENTS)
def test_nadamw_has_the_results_of_single_tensors(monkeypatch, kind, cautious, limit):
    monkeypatch.setattr(torch_lists, "CPU_LIST_BYTES", limit)
    params, expected = parameters(), {name: param.detach().clone() for name, param in parameters().items()}
    optimizer, states = nadamw(params, cautious), {name: {} for name in params}
    for step in range(30):
        for name, array in GRADIENTS[kind](step).items():
            params[name].grad = torch.from_numpy(array) if has_gradient(name, step) else None
            if has_gradient(name, step):
                nadamw_of_one_tensor(expected[name], torch.from_numpy(array), states[name], cautious)
        optimizer.step()
        if step == 14:  # as a checkpoint does
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = nadamw(params, cautious)
            optimizer.load_state_dict(saved)
    for name, param in params.items():
        torch.testing.assert_close(param.detach(), expected[name], rtol=0, atol=0, equal_nan=True)
        state = optimizer.state[param]
        assert list(state) == ["step", "m", "v"]
        assert state["step"] == states[name]["step"]
        torch.testing.assert_close(dict(m=state["m"], v=state["v"]), {k: states[name][k] for k in "mv"}, rtol=0, atol=0)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_baseline_depends_on_what_is_in_a_list(monkeypatch, folder):
    trainer = Trainer(folder)
    together = trainer.train(normal)
    monkeypatch.setattr(torch_lists, "CPU_LIST_BYTES", 0)
    for name, array in trainer.train(normal).items():
        np.testing.assert_array_equal(array, together[name])


def num_started(num_copies: int, cautious: bool) -> int:
    """How many operations an update of so many parameters of each shape starts, apart from those within others."""
    params = {f"{name}{i}": param for i in range(num_copies) for name, param in parameters().items()}
    optimizer = nadamw(params, cautious)
    for param in params.values():
        param.grad = torch.ones_like(param)
    optimizer.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        optimizer.step()
    (step,) = [event for event in profiler.events() if event.name.startswith("Optimizer.step")]
    return sum(event.name.startswith("aten::") for event in step.cpu_children)


def test_the_number_of_operations_does_not_grow_with_the_number_of_parameters():
    assert num_started(1, cautious=False) == num_started(20, cautious=False) < 20


def test_lists_are_of_one_kind_in_order_and_bounded(monkeypatch):
    monkeypatch.setattr(torch_lists, "CPU_LIST_BYTES", 100)
    sizes = [10, 10, 10, 50, 1, 24, 1]
    tensors = [torch.zeros(size) for size in sizes]
    other = torch.zeros(3, dtype=torch.float64)
    found = [[len(tensor) for tensor in some.each] for some in lists_of([tensors[0], other, *tensors[1:]])]
    assert found == [[10, 10], [10], [50], [1, 24], [1], [3]]
    assert [*lists_of([])] == []
    by_size = [*lists_of(tensors, kind=lambda tensor: len(tensor) > 9)]
    assert [[len(tensor) for tensor in some.each] for some in by_size] == [[10, 10], [10], [50], [24], [1, 1]]


def test_operations_on_tensors_are_those_of_each():
    a, b = (Tensors(torch.from_numpy(normal(i)[name]) for name in SHAPES) for i in (1, 2))
    for found, expected in (
        (a + b, [x + y for x, y in zip(a.each, b.each, strict=True)]),
        (a - b, [x - y for x, y in zip(a.each, b.each, strict=True)]),
        (a * 2.0, [x * 2.0 for x in a.each]),
        (a / b, [x / y for x, y in zip(a.each, b.each, strict=True)]),
        (a.lerp(b, 0.25), [x.lerp(y, 0.25) for x, y in zip(a.each, b.each, strict=True)]),
        (a.norm(), [x.norm() for x in a.each]),
        (a.map(torch.dist, b), [torch.dist(x, y) for x, y in zip(a.each, b.each, strict=True)]),
    ):
        torch.testing.assert_close([*found.each], expected, rtol=0, atol=0)
    before = a.map(torch.clone)
    assert a.add_(b, alpha=2.0) is a
    torch.testing.assert_close(a.each[0], before.each[0].add(b.each[0], alpha=2.0), rtol=0, atol=0)
    with pytest.raises(AttributeError, match=r"no torch\._foreach_median"):
        _ = a.median
    with pytest.raises(RuntimeError, match="same number"):
        a.add_(Tensors(b.each[:2]))


def test_states_are_read_and_written_as_one():
    each = [{"step": 3, "m": torch.zeros(2)}, {"step": 3, "m": torch.ones(4)}]
    states = States(each)
    states["weights"] = 0.5
    states["x"] = states["m"].map(torch.clone)
    assert (dict(each[1]) | {"m": None, "x": None}) == {"step": 3, "m": None, "weights": 0.5, "x": None}
    assert torch.equal(each[1]["x"], torch.ones(4))
    assert each[1]["x"] is not each[1]["m"]
    assert [*states] == ["step", "m", "weights", "x"]
    assert len(states) == 4
    assert states["step"] == 3
    del states["x"]
    assert "x" not in states
    assert "x" not in each[0]


class Halved(UpdateRule):
    """A direction per tensor, as submissions write it."""

    def direction(self, param, grad, group, state):
        return grad.mean() * param / 2


class HalvedLists(ListRule):
    def direction(self, param, grad, group, state):
        return (param / 2).mul_(grad.map(torch.mean).stack().unbind())


@pytest.mark.parametrize("rule", [Halved, HalvedLists])
def test_rules_of_submissions(rule):
    params = [torch.nn.Parameter(torch.tensor([4.0, 2.0])), torch.nn.Parameter(torch.tensor([1.0]))]
    optimizer = rule(params)
    optimizer.param_groups[0]["lr"] = 0.5
    params[0].grad = torch.tensor([1.0, 3.0])
    optimizer.step()
    assert params[0].tolist() == [2.0, 1.0]
    assert params[1].tolist() == [1.0]
    assert optimizer.state[params[0]] == {"step": 1}
    assert not optimizer.state[params[1]]
