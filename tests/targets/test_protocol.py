"""The protocol's arithmetic, by examples and for any values."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.errors import AlgoperfError
from algoperf.targets.protocol import Curve, Targets, best, choose, eased, targets_of

NAN = math.nan
WORSE = {"max": lambda value, other: value < other, "min": lambda value, other: value > other}


def curve(validation, test=None, run="a"):
    validation = tuple(validation)
    return Curve(
        run=run, submission="s", seed=0, point={}, status="max_steps_reached",
        steps=tuple(range(1, len(validation) + 1)), validation=validation, test=tuple(test or validation),
    )  # fmt: skip


@pytest.mark.parametrize(("goal", "expected"), [("max", 0.9), ("min", 0.2)])
def test_the_best_value_is_the_best_finite_one(goal, expected):
    assert best(curve([0.5, NAN, 0.9, 0.2]), goal) == expected


@pytest.mark.parametrize("goal", ["max", "min"])
def test_a_run_without_a_value_is_never_chosen(goal):
    assert choose([curve([NAN], run="nan"), curve([], run="none"), curve([7.0], run="one")], goal).run == "one"
    with pytest.raises(AlgoperfError, match="None of 2 runs has a finite validation value"):
        choose([curve([NAN]), curve([])], goal)


def test_among_equals_the_first_one_is_chosen():
    runs = [curve([0.1], run="worse"), curve([0.3, 0.8], run="first"), curve([0.8], run="second")]
    assert choose(runs, "max").run == "first"


def test_targets_are_the_median_and_the_worst_test_value_of_those_that_reached_it():
    repeats = [
        curve([0.5, 0.7, 0.9], [0.4, 0.6, 0.8]),
        curve([0.6, 0.8, 0.8], [0.5, 0.3, 0.9]),  # the median, with its test value when it first got there
        curve([0.1, 0.2, 0.3], [0.1, 0.1, 0.1]),  # does not reach it: its test values do not count
    ]
    assert targets_of(repeats, "max", has_test=True) == Targets(0.8, 0.3, 2)
    assert targets_of(repeats, "max", has_test=False) == Targets(0.8, None, 2)


def test_of_an_even_number_half_reaches_the_median():
    repeats = [curve([value], [10 * value]) for value in (1.0, 2.0, 3.0, 4.0)]
    assert targets_of(repeats, "min", has_test=True) == Targets(2.5, 20.0, 2)


def test_a_point_that_diverges_in_half_of_the_repeats_sets_no_target():
    with pytest.raises(AlgoperfError, match="Half of the 2 repeats"):
        targets_of([curve([0.5]), curve([NAN])], "max", has_test=True)


@given(
    st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=5), min_size=2, max_size=9),
    st.sampled_from(["max", "min"]),
)
def test_half_of_the_repeats_reach_both_targets(values, goal):
    repeats = [curve(each) for each in values]
    found = targets_of(repeats, goal, has_test=True)
    reaching = [each for each in repeats if not WORSE[goal](best(each, goal), found.validation)]
    assert found.reached == len(reaching) >= len(repeats) / 2
    assert found.validation == statistics.median(best(each, goal) for each in repeats)
    assert not WORSE[goal](found.test, found.validation), "test equals validation here"
    assert any(found.test in each.test for each in reaching)


@given(
    st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(["loss", "ppl"]), st.sampled_from(["max", "min"]),
    st.sampled_from([0.0, 0.05, 0.5]),
)  # fmt: skip
def test_an_eased_target_lies_between_the_target_and_the_start(one, other, metric, goal, ease):
    target, start = (max, min)[goal == "min"](one, other), (min, max)[goal == "min"](one, other)
    easier = eased(target, start, ease, metric=metric, goal=goal)
    assert easier == target or WORSE[goal](easier, target)
    part = start**ease * target ** (1 - ease) if metric == "ppl" else target + ease * (start - target)
    assert easier == pytest.approx(part, rel=2e-5)


def test_the_way_of_a_perplexity_is_that_of_its_loss():
    assert eased(3.0, 432.0, 0.1, metric="ppl", goal="min") == 4.93126
    assert eased(3.0, 432.0, 0.1, metric="wer", goal="min") == pytest.approx(45.9, rel=1e-5)


@pytest.mark.parametrize("goal", ["max", "min"])
def test_targets_are_rounded_to_the_easier_side(goal):
    rounded = {each: eased(each, 0.0, 0.0, metric="loss", goal=goal) for each in (0.96666666, 0.97)}
    assert rounded == {0.96666666: 0.966666 if goal == "max" else 0.966667, 0.97: 0.97}
