"""Parts of the guard; whole cheats are in tests/cheats."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from algoperf.integrity.audit import Watch
from algoperf.integrity.guard import Guard


@pytest.fixture
def guard(tmp_path) -> Iterator[Guard]:
    watching = Guard(tmp_path, {})
    yield watching
    watching.close()


def test_parameters_may_change_while_the_clock_runs_and_not_while_it_stands(guard):
    sums = {"layer.weight": 1, "layer.bias": 2}
    guard.model_built(lambda: dict(sums))
    for training_off_the_clock in (False, True):
        sums["layer.weight"] += 1
        guard.clock_stops()
        assert guard.breaches() == []
        sums["layer.bias"] += training_off_the_clock
        guard.clock_goes_on()
        sums["layer.weight"] += 1
    assert guard.breaches() == ["It changed 1 parameter while the clock stood still, such as layer.bias."]


def test_libraries_are_not_taken_for_the_submission(tmp_path):
    """The nearest frame outside the standard library decides."""
    watch = Watch(tmp_path, {})
    names = {"watch": watch, "sys": sys}
    source = "def act(then=lambda: sys._getframe(1)):\n    return watch.is_directly_responsible(then())\n"
    library, own = dict(names), dict(names)
    exec(compile(source, "/usr/lib/site-packages/library.py", "exec"), library)
    exec(compile("def call(act):\n    return act()\n" + source, str(tmp_path / "submission.py"), "exec"), own)
    assert own["act"]()
    assert not own["call"](library["act"])


@pytest.mark.parametrize("is_alive", [True, False])
def test_the_clock_waits_for_work_whose_results_nobody_returned(monkeypatch, is_alive):
    """Work that was queued would otherwise go on during an evaluation: on a live array, or on none."""
    import jax
    import jax.numpy as jnp

    from algoperf.frameworks import load_backend

    backend = load_backend("jax")
    busy = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda _, y: jnp.tanh(y @ x), x))
    params, matrix = {"params": jnp.zeros(1)}, jnp.ones((200, 200)) / 200
    jax.block_until_ready(busy(matrix))
    hidden = busy(matrix)
    if not is_alive:  # as if it had been dropped, but then nobody could ask it
        monkeypatch.setattr(jax, "live_arrays", list)
    backend.wait(params)
    assert hidden.is_ready()


def test_sums_of_parameters_see_a_training_step_at_any_size():
    import torch

    from algoperf.frameworks.torch.description import checksums

    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Conv2d(64, 64, 3), torch.nn.BatchNorm2d(64))
    model = model.to(memory_format=torch.channels_last)
    before = checksums(model)
    assert checksums(model) == before
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1.0)
    optimizer.step()
    after = checksums(model)
    assert len(before) == 6
    assert all(after[name] != before[name] for name in before)
