"""State that is plain Python or numpy: round trips through files, sharing, refusals, hostile files."""

import collections
import itertools
import json
import math
import random
import subprocess
import sys
import types
import weakref
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from algoperf.checkpoint.tree import NumpyCodec
from algoperf.errors import AlgoperfError, CheckpointMismatch
from algoperf.submission.loading import load_submission
from checkpoint_files import Files
from places import TEST_SUBMISSIONS


class Pair(NamedTuple):
    left: object
    right: object


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="module")
def own(repository):
    load_submission(TEST_SUBMISSIONS / "own_classes")
    return sys.modules["algoperf_submission.submission"]


def bits(value: float) -> bytes:
    return np.float64(value).tobytes()


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**100, "", "text with\nlines and \u2028", b"\x00\xff", 1.5 + 2j, 0.1, 1e-320, 1e308],
)
def test_plain_values_come_back_with_their_type(files, value):
    restored = files.through({"value": value}, {"value": None})["value"]
    assert restored == value
    assert type(restored) is type(value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -0.0, 0.0, 0.1 + 0.2])
def test_floats_come_back_bit_for_bit(files, value):
    assert bits(files.through([value], [1.0])[0]) == bits(value)


@pytest.mark.parametrize(
    "value",
    [
        [1, [2, (3, {"a": None})]],
        (),
        (1,),
        {1: "int", "1": "str", 2.5: "float", None: "none", (1, "a"): "tuple", b"k": "bytes"},
        {"a/b": {"c": 1}, "a": {"b/c": 2, "b": {"c": 3}}, "a/b/c": 4, "": 5},
        {1, 2, "three"},
        frozenset({"x"}),
        collections.deque([1, 2, 3]),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        Pair(1, [2, Pair(None, "x")]),
    ],
)
def test_containers_come_back_with_their_type(files, value):
    for template in (value, None):
        restored = files.through(value, template)
        assert restored == value
        assert type(restored) is type(value)
    if isinstance(value, dict):
        assert list(restored) == list(value)
        assert [type(key) for key in restored] == [type(key) for key in value]


def test_what_the_template_knows_of_containers_is_kept(files):
    recent = collections.deque([1.0, 2.0], maxlen=2)
    slots = collections.defaultdict(list, {"a": [1]})
    template = (collections.deque(maxlen=2), collections.defaultdict(list), collections.Counter({"x": 3}))
    restored = files.through((recent, slots, collections.Counter({"y": 1})), template)
    assert restored[0] == recent
    assert restored[0].maxlen == 2
    assert restored[1] == slots
    assert restored[1].default_factory is list
    assert restored[2] == collections.Counter({"y": 1})
    assert type(restored[2]) is collections.Counter


def test_a_defaultdict_that_init_does_not_make_is_refused_by_name(files):
    with pytest.raises(CheckpointMismatch, match=r"state/slots was a collections\.defaultdict"):
        files.through({"slots": collections.defaultdict(list)}, {})


ARRAYS = [
    np.array(3.5, np.float32),
    np.zeros((0, 3), np.int64),
    np.arange(6, dtype=np.int8).reshape(2, 3).T,
    np.array([True, False]),
    np.array([np.inf, -np.inf, np.nan, -0.0], np.float64),
    np.array([1 + 2j, np.nan], np.complex64),
    np.array([[1 + 2j], [3 - 4j]], np.complex128),
    np.array(1 + 2j, np.complex128),
    np.array([2**63 + 1], np.uint64),
    np.array([1.5, 2.5], np.float16),
    np.array(["a", "longer"]),
    np.array(["2020-01-01"], "datetime64[D]"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_numpy_arrays_come_back_bit_for_bit(files, array):
    for template in (None, np.zeros_like(array), np.zeros(7)):
        restored = files.through({"a": array}, {"a": template})["a"]
        assert isinstance(restored, np.ndarray)
        assert (restored.dtype, restored.shape) == (array.dtype, array.shape)
        assert restored.tobytes() == array.tobytes()
        assert restored.flags.writeable


@pytest.mark.parametrize("template", [None, np.zeros(3)], ids=["none", "writeable"])
def test_numpy_arrays_that_cannot_be_written_to_stay_so(files, template):
    array = np.frombuffer(np.arange(3.0).tobytes())
    restored = files.through({"a": array}, {"a": template})["a"]
    np.testing.assert_array_equal(restored, array)
    assert not restored.flags.writeable


@pytest.mark.parametrize("scalar", [np.float32(0.1), np.int64(3), np.bool_(True), np.str_("x"), np.complex128(1j)])
def test_numpy_scalars_stay_numpy_scalars(files, scalar):
    restored = files.through([scalar], [None])[0]
    assert restored == scalar
    assert type(restored) is type(scalar)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_generators_go_on_where_they_were(files, kind):
    def made() -> dict[str, object]:
        return {
            "numpy": np.random.Generator(kind(5)),
            "old": np.random.RandomState(5),
            "python": random.Random(5),
        }

    def draw(state: dict) -> list[float]:
        return [state["numpy"].normal(), state["old"].normal(), state["python"].gauss()]

    state = made()
    draw(state)
    files.save(state)
    expected = [draw(state), draw(state)]
    for template in (made(), {}, {"numpy": np.random.default_rng(0)}):
        restored = files.restore(template)
        assert [draw(restored), draw(restored)] == expected


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


@pytest.mark.parametrize(
    ("saved", "made", "names"),
    [
        ({"a": {"f": len}}, {"a": {}}, r"state/a/f is a builtins\.builtin_function_or_method"),
        ({"n": itertools.count(5)}, {"n": itertools.count()}, r"state/n .* was count\(5\), .* makes count\(0\)"),
        ([Decimal("1.5")], [Decimal("1")], r"state/0 is a decimal\.Decimal"),
        ({"it": iter([1, 2])}, {"it": iter([1, 2])}, "state/it is a builtins.list_iterator. How far"),
        ({"f": test_cycles}, {"f": bits}, "state/f was the function test_cycles, but .* makes <f"),
        ({"f": [test_cycles]}, {"f": []}, "state/f/0 was the function test_cycles, .* makes nothing"),
        (np.array([None, "a"], object), np.array([None, "b"], object), "state is a numpy.ndarray"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_its_place(files, saved, made, names):
    with pytest.raises(CheckpointMismatch, match=names):
        files.through(saved, made)


def test_code_and_unchanged_things_come_from_the_template(files, own):
    made = {"f": len, "type": int, "range": range(3), "module": math, "path": Path("b"), "tracker": own.Tracker()}
    saved = {**made, "path": Path("a"), "tracker": own.Tracker()}
    saved["tracker"].logger = subprocess.Popen  # code that is made later will be made again
    restored = files.through(saved, made)
    assert {**restored, "tracker": None} == {**made, "tracker": None}
    assert not hasattr(restored["tracker"], "logger")


def test_a_namedtuple_with_other_fields_is_refused(files):
    files.save([Pair(1, 2)])
    files.edit(lambda node: node["list"][0]["items"].pop("right") and None)
    with pytest.raises(CheckpointMismatch, match=r"state/0: .*Pair had the fields left"):
        files.restore([Pair(0, 0)])


# --- files of strangers ------------------------------------------------------------------------------------------


def data(value: object) -> dict:
    return {"value": value}


HOSTILE = {
    "Popen as namedtuple": {"namedtuple": "subprocess.Popen", "items": {"args": data("touch /tmp/x")}, "number": 9},
    "Popen as object": {"object": "subprocess.Popen", "attributes": {"pid": data(1)}, "number": 9},
    "eval": {"object": "builtins.eval", "attributes": {"x": data("1")}, "number": 9},
    "type": {"object": "builtins.type", "attributes": {}, "number": 9},
    "closes files": {"object": "tempfile._TemporaryFileCloser", "attributes": {"name": data("x")}, "number": 9},
    "harness": {"object": "algoperf.checkpoint.tree.Encoder", "attributes": {}, "number": 9},
    "library": {"object": "logging.Filter", "attributes": {"name": data("x")}, "number": 9},
    "tuple": {"namedtuple": "builtins.tuple", "items": {}, "number": 9},
    "mapping": {"dict": [], "kind": "os._Environ", "number": 9},
    "enum": {"enum": "subprocess.Popen", "member": "x"},
    "generator": {"generator": "numpy.random.Generator", "state": {"dict": [[data("bit_generator"), data("seed")]],
                  "kind": "builtins.dict", "number": 8}, "number": 9},
    "function": {"function": "system", "cells": {}, "attributes": {}, "number": 9},
    "class": {"object": "algoperf_submission.submission.Closing", "attributes": {}, "number": 9},
    "not loaded": {"object": "antigravity.X", "attributes": {}, "number": 9},
    "own type": {"object": "algoperf_submission.submission.Tracker", "attributes": {"__class__": data(1)},
                 "number": 9},
    "stateful": {"stateful": "x.Y", "state_dict": {"dict": [], "kind": "builtins.dict"}, "attributes": {},
                 "number": 9},
}  # fmt: skip


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("node", HOSTILE.values(), ids=HOSTILE)
def test_no_code_runs_however_the_file_is_made(files, node, monkeypatch):
    import logging
    import tempfile

    assert tempfile._TemporaryFileCloser
    assert logging.Filter, "the attacker's classes are there"
    for name in ("Popen.__init__", "Popen.__del__"):
        monkeypatch.setattr(f"subprocess.{name}", lambda *_, **__: pytest.fail("code ran"), raising=False)
    modules = set(sys.modules)
    files.save({"x": 1})
    files.edit(lambda _: {"dict": [[data("x"), node]], "kind": "builtins.dict", "number": 7})
    with pytest.raises(CheckpointMismatch):
        files.restore({"x": None})
    assert set(sys.modules) == modules


@pytest.mark.parametrize("node", [{"decode": 1}, {}, {"array": "nothing", "codec": "numpy"}, [], {"same": []}])
def test_a_tree_that_makes_no_sense_is_called_damaged(files, node):
    files.save({"x": 1})
    files.edit(lambda _: {"dict": [[data("x"), node]], "kind": "builtins.dict", "number": 7})
    with pytest.raises(AlgoperfError, match=r"checkpoint_1 is damaged"):
        files.restore({"x": None})


def test_each_array_is_read_when_its_turn_comes(files):
    """So that a state never takes the memory of its whole file, beside its own."""
    read: list[weakref.ref[np.ndarray]] = []

    class Watching(NumpyCodec):
        def decode(self, array, info, template):
            assert all(earlier() is None for earlier in read), "an earlier array of the file is still there"
            read.append(weakref.ref(array))
            return super().decode(array, info, template)

    state = {name: np.full(1000, number, np.complex128) for number, name in enumerate("abc")}
    files.save(state)
    files.backend.codecs["numpy"] = Watching()
    restored = files.restore(dict.fromkeys("abc"))
    assert len(read) == 3
    assert all((restored[name] == state[name]).all() for name in state)


def test_the_files_are_data_only(files, own):
    path = files.save({"f": own.counting(1), "t": own.Tracker(np.zeros(2)), "n": np.random.default_rng(0)})
    assert {file.name for file in path.iterdir()} == {
        "manifest.json", "model.json", "model.safetensors", "process_0.json", "process_0.safetensors",
    }  # fmt: skip
    for file in path.glob("*.json"):
        json.loads(file.read_text())
