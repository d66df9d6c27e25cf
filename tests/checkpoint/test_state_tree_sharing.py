"""Objects of a submission's own classes, closures, and whatever is shared between parts of a state."""

import types

import numpy as np
import pytest

from algoperf.errors import CheckpointMismatch


def test_objects_of_own_classes(files, own):
    state = {"tracker": own.Tracker(best=np.arange(3.0)), "slots": own.Slotted(3), "frozen": own.Frozen(7, [1])}
    state["tracker"].history += [0.5, np.float64(2)]
    state["slots"].made_later = {"x": 1}
    state["space"] = types.SimpleNamespace(a=1)
    fresh = {"tracker": own.Tracker(), "slots": own.Slotted(0), "frozen": own.Frozen(0, None)}
    for template in ({**fresh, "space": types.SimpleNamespace()}, {}):
        restored = files.through(state, template)
        assert type(restored["tracker"]) is own.Tracker
        assert restored["tracker"].best.tolist() == [0, 1, 2]
        assert restored["tracker"].history == [0.5, 2]
        assert (restored["slots"].count, restored["slots"].made_later) == (3, {"x": 1})
        assert restored["frozen"] == own.Frozen(7, [1])
        assert restored["space"] == types.SimpleNamespace(a=1)
    assert fresh["frozen"] == own.Frozen(0, None), "a frozen object of the template was written to"


def test_attributes_that_were_removed_stay_removed(files, own):
    state, template = own.Tracker(), own.Tracker()
    del state.best
    assert not hasattr(files.through(state, template), "best")


def test_enumerations_are_not_written_to(files, own):
    state = {"stage": own.Stage.DECAY, "level": own.Level.HIGH}
    for template in ({"stage": own.Stage.WARMUP, "level": own.Level.LOW}, {}):
        restored = files.through(state, template)
        assert restored["stage"] is own.Stage.DECAY
        assert restored["level"] is own.Level.HIGH
    assert (own.Stage.WARMUP.value, own.Stage.WARMUP.name) == (1, "WARMUP")


def test_closures_share_their_counters_again(files, own):
    add, read = own.counting(0)
    add(5)
    add(-2)
    new_add, new_read = files.through((np.zeros(2), add, read), (np.ones(2), *own.counting(0)))[1:]
    assert new_read() == (3, 5)
    new_add(10)
    assert new_read() == (13, 13)


def test_function_attributes(files):
    def update():
        update.calls += 1

    def fresh():
        def update():
            update.calls += 1

        update.calls = 0
        return update

    del update
    update = fresh()
    update()
    assert files.through([update], [fresh()])[0].calls == 1


def test_bound_methods_bring_their_object(files, own):
    state, template = own.Tracker(), own.Tracker()
    state.history = [1, 2]
    note, tracker = files.through((state.note, state), (template.note, template))
    assert note(3) == 3
    assert tracker.history == [1, 2, 3]


def test_sharing_is_followed_not_guessed(files, own):
    """One object in two places stays one, and two stay two, whatever the template says."""
    shared = {"n": [1]}
    apart = files.through({"a": {"n": 1}, "b": {"n": 2}}, {"a": shared, "b": shared})
    assert apart == {"a": {"n": 1}, "b": {"n": 2}}
    for template in ({"a": {}, "b": {}}, None):
        together = files.through({"a": shared, "b": shared, "c": [shared["n"]]}, template)
        together["a"]["n"].append(2)
        assert together == {"a": {"n": [1, 2]}, "b": {"n": [1, 2]}, "c": [[1, 2]]}
    one = own.Tracker()
    first, second = files.through([own.Tracker(1), own.Tracker(2)], [one, one])
    assert (first.best, second.best) == (1, 2)


def test_cycles(files, own):
    def made(count: int) -> object:
        parent, child = own.Tracker(), own.Tracker()
        parent.other, child.other = child, parent
        parent.history = [parent.history, count]
        parent.history[0].append(parent.history)
        return parent

    for template in (made(0), None):
        restored = files.through(made(3), template)
        assert restored.other.other is restored
        assert restored.history[0][0] is restored.history
        assert restored.history[1] == 3


def test_numpy_memory_is_shared_as_before(files):
    def made(fill: float) -> dict[str, np.ndarray]:
        flat = np.full(6, fill)
        return {"flat": flat, "views": [flat[:2], flat[2:]], "again": flat}

    restored = files.through(made(1.0), made(0.0))
    restored["flat"] += 1
    assert restored["views"][1].tolist() == [2, 2, 2, 2]
    assert restored["again"] is restored["flat"]

    one = np.arange(3.0)
    restored = files.through([one, one[:]], [])
    restored[0][0] = 7
    assert restored[1].tolist() == [7, 1, 2], "two names for the same memory, made later"

    first = np.zeros(3)
    restored = files.through({"a": np.ones(3), "b": np.full(3, 2.0)}, {"a": first, "b": first})
    assert (restored["a"].tolist(), restored["b"].tolist()) == ([1, 1, 1], [2, 2, 2])


def test_views_that_init_does_not_make_are_refused(files):
    flat = np.arange(6.0)
    with pytest.raises(CheckpointMismatch, match="state/view and state/flat were parts of one array"):
        files.through({"flat": flat, "view": flat[:2]}, {})
    parts = files.through({"left": flat[:3], "right": flat[3:]}, {})  # of one array, but with nothing in common
    assert parts["right"].tolist() == [3, 4, 5]
