from __future__ import annotations

import math

import numpy as np
import pytest

from algoperf_scoring import profiles
from algoperf_scoring.rules import DOCUMENTED, ScoringRule

INF, NAN = math.inf, math.nan
TRAPEZOID = ScoringRule(integral="trapezoid")


def ratios(times: list[list[float]], rule: ScoringRule = DOCUMENTED) -> np.ndarray:
    """Ratios on workloads without held-out variants."""
    return profiles.credit(np.array(times), [-1] * len(times[0]), rule).ratios


def test_ratios_are_to_the_fastest_and_cut_above_four_times_it():
    times = [[10.0, 80.0, INF], [40.0, 20.0, NAN], [40.1, INF, INF]]
    expected = [[1.0, 4.0, INF], [4.0, 1.0, INF], [INF, INF, INF]]
    np.testing.assert_array_equal(ratios(times), expected)
    credit = profiles.credit(np.array(times), [-1, -1, -1], DOCUMENTED)
    assert credit.is_cut.tolist() == [[False] * 3, [False] * 3, [True, False, False]]
    assert not credit.is_void.any()


def test_the_largest_ratio_can_be_varied():
    times = [[10.0], [15.0], [25.0]]
    np.testing.assert_array_equal(ratios(times, ScoringRule(max_ratio=2.0)), [[1.0], [1.5], [INF]])
    scores = profiles.score(ratios(times, ScoringRule(max_ratio=2.0)), ScoringRule(max_ratio=2.0))
    np.testing.assert_allclose(scores, [1.0, 0.5, 0.0], rtol=0, atol=1e-15)


def test_ties_both_have_ratio_one():
    np.testing.assert_array_equal(ratios([[0.3], [0.3], [INF]]), [[1.0], [1.0], [INF]])
    np.testing.assert_array_equal(ratios([[0.0], [0.0], [1.0]]), [[1.0], [1.0], [INF]])


# Columns: workloads p and q, then the held-out variant of p.
HELD_OUT = [2, -1]


def test_a_workload_gives_no_credit_if_its_variant_was_not_reached_and_then_sets_no_scale():
    times = np.array([[10.0, 5.0, INF], [20.0, 5.0, 8.0], [30.0, 5.0, 9.0]])
    credit = profiles.credit(times, HELD_OUT, DOCUMENTED)
    np.testing.assert_array_equal(credit.ratios, [[INF, 1.0], [1.0, 1.0], [1.5, 1.0]])
    assert credit.is_void.tolist() == [[True, False], [False, False], [False, False]]
    np.testing.assert_array_equal(profiles.credit(times, HELD_OUT, ScoringRule(held_out=False)).ratios[:, 0], [1, 2, 3])


def test_the_cut_is_taken_before_the_held_out_rule():
    # 41 is above four times 10, although 10 is void itself.
    times = np.array([[10.0, 5.0, NAN], [41.0, 5.0, 8.0], [40.0, 5.0, 9.0]])
    credit = profiles.credit(times, HELD_OUT, DOCUMENTED)
    np.testing.assert_array_equal(credit.ratios[:, 0], [INF, INF, 1.0])
    assert credit.is_cut[:, 0].tolist() == [False, True, False]
    assert credit.is_void[:, 0].tolist() == [True, False, False]


def test_a_variant_is_cut_like_a_workload_and_does_not_count_where_the_workload_was_not_reached():
    # The variant's fastest, 1.0, belongs to a submission that never reached the workload: it cuts nobody.
    times = np.array([[INF, 5.0, 1.0], [10.0, 5.0, 8.0], [10.0, 5.0, 32.1]])
    credit = profiles.credit(times, HELD_OUT, DOCUMENTED)
    np.testing.assert_array_equal(credit.ratios[:, 0], [INF, 1.0, INF])
    assert credit.is_void[:, 0].tolist() == [False, False, True]


def test_leading_axes_are_scored_one_by_one():
    times = np.random.default_rng(3).uniform(1, 9, size=(7, 4, 3))
    together = profiles.credit(times, HELD_OUT, DOCUMENTED).ratios
    apart = [profiles.credit(each, HELD_OUT, DOCUMENTED).ratios for each in times]
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(
        profiles.score(together, TRAPEZOID), [profiles.score(each, TRAPEZOID) for each in apart]
    )


def test_profile_counts_ratios_up_to_tau():
    cut = np.array([[1.0, 2.0, INF, 4.0]])
    np.testing.assert_array_equal(profiles.profile(cut, np.array([1.0, 1.99, 2.0, 4.0])), [[0.25, 0.25, 0.5, 0.75]])


def test_exact_score_by_hand():
    # (4 - 1) / 3 = 1, (4 - 2.5) / 3 = 0.5, (4 - 4) / 3 = 0, never = 0; the mean over four workloads.
    cut = np.array([[1.0, 2.5, 4.0, INF], [1.0, 1.0, 1.0, 1.0], [INF, INF, INF, INF]])
    np.testing.assert_allclose(profiles.score(cut, DOCUMENTED), [1.5 / 4, 1.0, 0.0], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (1.0, 1.0),
        (INF, 0.0),
        # Steps are 1/33 wide. Point 33 of 0..99 is 2: half a step leads up to it, 66 whole ones follow.
        (2.0, (0.5 + 66) / 33 / 3),
        (2.01, (0.5 + 65) / 33 / 3),
        # Only the last point counts: half a step.
        (4.0, 0.5 / 33 / 3),
    ],
)
def test_trapezoid_score_by_hand(ratio: float, expected: float):
    np.testing.assert_allclose(profiles.score(np.array([[ratio]]), TRAPEZOID), [expected], rtol=0, atol=1e-14)


@pytest.mark.parametrize("max_ratio", [1.5, 4.0, 16.0])
def test_the_trapezoid_in_closed_form_is_that_of_the_profile_on_the_grid(max_ratio: float):
    rule = ScoringRule(integral="trapezoid", max_ratio=max_ratio)
    cut = np.random.default_rng(2).choice([1.0, INF, max_ratio, *np.linspace(1, max_ratio, 37)], size=(50, 8))
    grid = profiles.grid(max_ratio)
    area = np.trapezoid(profiles.profile(cut, grid), grid, axis=-1) / (max_ratio - 1)
    np.testing.assert_allclose(profiles.score(cut, rule), area, rtol=0, atol=1e-13)


def test_the_two_integrals_differ_by_at_most_one_in_198():
    cut = np.random.default_rng(0).uniform(1.0, 4.0, size=(1000, 1))
    difference = np.abs(profiles.score(cut, DOCUMENTED) - profiles.score(cut, TRAPEZOID))
    assert 0 < difference.max() <= 1 / 198 + 1e-12
