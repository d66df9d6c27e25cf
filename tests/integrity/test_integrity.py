"""Parts of the guard; whole cheats are in tests/cheats."""

from __future__ import annotations

import functools
import sys
import types

import pytest

from algoperf.integrity.audit import Watch
from algoperf.integrity.guard import Guard
from algoperf.integrity.seals import Seal
from algoperf.trial.clock import Clock


class Part:
    """A part of the harness, as it were."""

    SIZE = 3
    name: str

    def act(self):
        return 1


@pytest.fixture
def module(monkeypatch):
    """A module that counts as the harness's."""
    made = types.ModuleType("algoperf_cubes.sealed")
    made.Part = type("Part", (Part,), {"__module__": made.__name__, "act": lambda self: 2, "TABLE": {"a": 1}})
    made.function = lambda x: x
    made.LIMIT = 5
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_reading_is_no_change(module):
    seal = Seal().modules()
    assert "__annotations__" not in vars(module.Part)
    assert module.Part.__annotations__ == {}
    assert "__annotations__" in vars(module.Part), "reading added it"
    assert list(seal.changes()) == []


def replace_code(module):
    module.function.__code__ = (lambda x: 0).__code__


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (lambda module: setattr(module, "function", len), "function"),
        (replace_code, "function (its code)"),
        (lambda module: setattr(module, "LIMIT", 6), "LIMIT"),
        (lambda module: setattr(module, "float", int), "float"),
        (lambda module: setattr(module.Part, "act", len), "Part.act"),
        (lambda module: setattr(module.Part, "SIZE", 4), "Part.SIZE"),
        (lambda module: module.Part.TABLE.update(a=2), "Part.TABLE['a']"),
        (lambda module: delattr(module, "LIMIT"), "LIMIT"),
    ],
)
def test_what_was_replaced_is_named(module, tamper, place):
    seal = Seal().modules()
    assert list(seal.changes()) == []
    module.state = 1  # what is neither code nor constant may change
    assert list(seal.changes()) == []
    tamper(module)
    assert set(seal.changes()) == {f"{module.__name__}.{place}"}


def test_a_method_hidden_by_an_attribute_and_another_class_are_seen():
    seal, part, other = Seal(), Part(), Part()
    seal.methods("part", part)
    seal.methods("other", other)
    part.colour = "red"
    assert list(seal.changes()) == []
    part.act = len
    other.__class__ = type("Other", (Part,), {})
    assert set(seal.changes()) == {"part.act", "other (its class)"}


def test_a_library_may_replace_its_own_functions_and_nobody_else_may(monkeypatch):
    import json

    original = json.dumps
    seal = Seal().modules()

    @functools.wraps(original)
    def wrapper(*args, **kwargs):
        return original(*args, **kwargs)

    monkeypatch.setattr(json, "dumps", wrapper)
    assert list(seal.changes()) == ["json.dumps"]
    at_home = wrapper.__code__.replace(co_filename=json.__file__)
    monkeypatch.setattr(wrapper, "__code__", at_home)
    assert list(seal.changes()) == []


def charge_checked(guard: Guard, clock: Clock) -> None:
    before = guard.time()
    clock.charge_submission()
    guard.check_clock(before, clock)


@pytest.mark.parametrize("account", ["submission", "evaluation"])
def test_times_that_were_changed_do_not_add_up(tmp_path, account):
    guard, clock = Guard(tmp_path, {}), Clock()
    try:
        clock.start()
        guard.clock_started(clock)
        for _ in range(3):
            charge_checked(guard, clock)
            assert guard.breaches({}) == []
        setattr(clock.times, account, getattr(clock.times, account) - 0.5)
        charge_checked(guard, clock)
        (breach,) = guard.breaches({})
        assert breach.startswith("The clock shows")
    finally:
        guard.close()


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


def test_the_clock_waits_for_arrays_that_nobody_returned():
    """Work that was queued on another array would otherwise go on during an evaluation."""
    import jax
    import jax.numpy as jnp

    from algoperf.frameworks import load_backend

    backend = load_backend("jax")
    busy = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda _, y: jnp.tanh(y @ x), x))
    matrix = jnp.ones((200, 200)) / 200
    busy.lower(matrix).compile()
    hidden = busy(matrix)
    backend.wait({"params": jnp.zeros(1)})
    assert hidden.is_ready()
