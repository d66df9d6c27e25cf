"""State that is plain Python or numpy comes back as it was; what cannot be saved is refused with its place."""

import collections
import itertools
import math
import random
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from algoperf.errors import CheckpointMismatch


class Pair(NamedTuple):
    left: object
    right: object


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


@pytest.mark.parametrize(
    ("saved", "made", "names"),
    [
        ({"a": {"f": len}}, {"a": {}}, r"state/a/f is a builtins\.builtin_function_or_method"),
        ({"n": itertools.count(5)}, {"n": itertools.count()}, r"state/n .* was count\(5\), .* makes count\(0\)"),
        ([Decimal("1.5")], [Decimal("1")], r"state/0 is a decimal\.Decimal"),
        ({"it": iter([1, 2])}, {"it": iter([1, 2])}, "state/it is a builtins.list_iterator. How far"),
        (
            {"f": test_plain_values_come_back_with_their_type},
            {"f": bits},
            "state/f was the function test_plain_values_come_back_with_their_type, but .* makes <f",
        ),
        (
            {"f": [test_plain_values_come_back_with_their_type]},
            {"f": []},
            "state/f/0 was the function test_plain_values_come_back_with_their_type, .* makes nothing",
        ),
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
