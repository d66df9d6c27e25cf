from __future__ import annotations

import math

import numpy as np
import pytest

from algoperf_scoring import profiles

INF = math.inf


def test_ratios_are_to_the_fastest_and_cut_above_four_times_it():
    times = np.array([[10.0, 80.0, INF], [40.0, 20.0, INF], [40.1, INF, INF]])
    expected = np.array([[1.0, 4.0, INF], [4.0, 1.0, INF], [INF, INF, INF]])
    np.testing.assert_array_equal(profiles.ratios(times), expected)


def test_ties_both_have_ratio_one():
    np.testing.assert_array_equal(profiles.ratios(np.array([[0.3], [0.3], [0.0 + INF]])), [[1.0], [1.0], [INF]])
    np.testing.assert_array_equal(profiles.ratios(np.array([[0.0], [0.0], [1.0]])), [[1.0], [1.0], [INF]])


def test_profile_counts_ratios_up_to_tau():
    cut = np.array([[1.0, 2.0, INF, 4.0]])
    np.testing.assert_array_equal(profiles.profile(cut, np.array([1.0, 1.99, 2.0, 4.0])), [[0.25, 0.25, 0.5, 0.75]])


def test_exact_score_by_hand():
    # (4 - 1) / 3 = 1, (4 - 2.5) / 3 = 0.5, (4 - 4) / 3 = 0, never = 0; the mean over four workloads.
    cut = np.array([[1.0, 2.5, 4.0, INF], [1.0, 1.0, 1.0, 1.0], [INF, INF, INF, INF]])
    np.testing.assert_allclose(profiles.exact_score(cut), [1.5 / 4, 1.0, 0.0], rtol=0, atol=1e-15)


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
    np.testing.assert_allclose(profiles.trapezoid_score(np.array([[ratio]])), [expected], rtol=0, atol=1e-14)


def test_the_two_integrals_differ_by_at_most_one_in_198():
    cut = np.random.default_rng(0).uniform(1.0, 4.0, size=(1000, 1))
    difference = np.abs(profiles.exact_score(cut) - profiles.trapezoid_score(cut))
    assert 0 < difference.max() <= 1 / 198 + 1e-12
