from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from algoperf_scoring import draws
from algoperf_scoring.results import medians
from algoperf_scoring.rules import DOCUMENTED
from algoperf_scoring.uncertainty import LEVEL, MIN_STUDIES, NUM_REPLICATES, bootstrap

INF, NAN = math.inf, math.nan


def test_draws_are_those_of_murmurhash3s_finalizer():
    # Values of the finalizer itself, from its author's test vectors: fmix32(1) and fmix32(0).
    assert draws._mixed(np.array([1, 0], dtype=np.uint32)).tolist() == [0x514E28B7, 0]
    assert draws.uniforms(0, range(3), range(2)).tolist() == PINNED


# Computed once: reports that people keep must show the same intervals again.
PINNED = [
    [0.25517252762801945, 0.5262809465639293],
    [0.2632290665060282, 0.8308384055271745],
    [0.40086434269323945, 0.6069126357324421],
]


def test_draws_depend_on_their_counters_only():
    whole = draws.uniforms(5, range(100), range(7), range(3))
    np.testing.assert_array_equal(whole[40:60], draws.uniforms(5, range(40, 60), range(7), range(3)))
    assert not np.array_equal(whole, draws.uniforms(6, range(100), range(7), range(3)))


def test_draws_are_uniform_and_unrelated():
    sample = draws.uniforms(0, range(2000), range(11), range(5))
    assert sample.min() >= 0
    assert sample.max() < 1
    counts = np.histogram(sample, bins=50, range=(0, 1))[0]
    expected = sample.size / 50
    assert np.sum((counts - expected) ** 2 / expected) < 49 + 5 * math.sqrt(2 * 49)  # chi square, 5 sigma
    rows = sample.reshape(2000, -1)
    correlation = np.corrcoef(rows, rowvar=False) - np.eye(rows.shape[1])
    assert np.abs(correlation).max() < 5.5 / math.sqrt(2000)


def test_a_single_workload_gives_the_exact_distribution_of_the_median():
    # Two submissions; the first has one slow study of three. Its median is slow if two or three draws are.
    seconds = np.array([[[10.0, 10.0, 20.0]], [[20.0, 20.0, 20.0]]])
    found = bootstrap(seconds, [-1], DOCUMENTED, share_studies=True)
    slow = 3 * (1 / 3) ** 2 * (2 / 3) + (1 / 3) ** 3
    assert found.rank_probabilities[0].tolist() == [1.0, 0.0]
    assert found.rank_probabilities[1, 0] == pytest.approx(slow, abs=4 * math.sqrt(slow / NUM_REPLICATES))
    assert found.ahead[0, 1] == pytest.approx(1 - slow, abs=4 * math.sqrt(slow / NUM_REPLICATES))
    assert (found.low[0], found.high[0]) == (1.0, 1.0)
    assert (found.low[1], found.high[1]) == pytest.approx((2 / 3, 1.0))


def test_rank_probabilities_sum_to_one_and_intervals_hold_the_score():
    seconds = np.random.default_rng(0).lognormal(0, 0.3, size=(4, 6, 5))
    found = bootstrap(seconds, [-1] * 6, DOCUMENTED, share_studies=False)
    np.testing.assert_allclose(found.rank_probabilities.sum(axis=1), 1)
    assert (found.low < found.high).all()


def test_missing_studies_are_not_drawn_and_missing_cells_stay_missing():
    seconds = np.array([[[10.0, 12.0, NAN], [NAN, NAN, NAN]], [[30.0, 30.0, 30.0], [5.0, 5.0, 5.0]]])
    found = bootstrap(seconds, [-1, -1], DOCUMENTED, share_studies=True)
    assert found.high[0] == 0.5
    assert found.low[1] >= 0.5


def test_a_shared_draw_moves_all_workloads_together():
    # The second study is worse on every workload: drawn for all at once, scores spread more.
    seconds = np.tile(np.array([10.0, 20.0, 40.0]), (2, 16, 1))
    seconds[1] = 20.0
    together = bootstrap(seconds, [-1] * 16, DOCUMENTED, share_studies=True)
    apart = bootstrap(seconds, [-1] * 16, DOCUMENTED, share_studies=False)
    assert together.high[0] - together.low[0] > 1.5 * (apart.high[0] - apart.low[0])


def several(*firsts: float, studies: int = 5, spread: float = 0.1) -> np.ndarray:
    """One workload: a submission for each of `firsts`, whose studies take a little longer each."""
    return np.array([[[first + spread * study for study in range(studies)]] for first in firsts])


def test_clear_neighbours_are_separated_and_equal_ones_are_tied():
    found = bootstrap(several(10, 30, INF, INF), [-1], DOCUMENTED, share_studies=True)
    states = [(pair.first, pair.second, pair.is_separated, pair.is_tie) for pair in found.neighbours]
    assert states == [(0, 1, True, False), (1, 2, True, False), (2, 3, False, True)]
    assert found.is_separated(0, 3)
    assert not found.is_separated(3, 2)


@pytest.mark.parametrize("studies", [2, 3, 4])
def test_few_studies_tell_nothing_from_chance(studies: int):
    """Of six studies dealt into two equal submissions, one has all fast ones in 1 of 10 cases."""
    assert 2 / math.comb(6, 3) > 1 - LEVEL > 2 / math.comb(2 * MIN_STUDIES, MIN_STUDIES)
    assert studies < MIN_STUDIES
    found = bootstrap(several(10, 30, studies=studies), [-1], DOCUMENTED, share_studies=True)
    assert found.ahead[0, 1] == 1
    assert not found.is_separated(0, 1)
    assert not found.neighbours[0].is_tie


def test_a_submission_with_too_few_studies_on_some_workload_is_separated_from_none():
    seconds = np.concatenate([several(10, 30, 60), several(10, 30, 60)], axis=1)
    seconds[1, 1, 3:] = NAN
    found = bootstrap(seconds, [-1, -1], DOCUMENTED, share_studies=False)
    assert found.has_evidence.tolist() == [True, False, True]
    assert found.is_separated(0, 2)
    assert not found.is_separated(0, 1)
    seconds[1, 1] = NAN  # no results at all are a result: not reached
    assert bootstrap(seconds, [-1, -1], DOCUMENTED, share_studies=False).is_separated(0, 1)


def test_nothing_is_separated_where_no_workload_is_scored():
    found = bootstrap(several(10, 30), [-1], DOCUMENTED, share_studies=True, is_scored=False)
    assert not found.is_separated(0, 1)


def test_a_probability_near_one_half_is_a_tie():
    seconds = np.array([[[10.0, 12.0, 14.0, 16.0, 18.0]], [[10.1, 12.1, 14.1, 16.1, 18.1]]])
    (pair,) = bootstrap(seconds, [-1], DOCUMENTED, share_studies=True).neighbours
    assert 0.3 < pair.probability < 0.7
    assert pair.is_tie


def test_the_same_input_gives_the_same_numbers_and_order_has_no_say():
    seconds = np.random.default_rng(1).lognormal(0, 0.5, size=(3, 4, 3))
    one, two = (bootstrap(seconds, [-1] * 4, DOCUMENTED, share_studies=True) for _ in range(2))
    np.testing.assert_array_equal(one.low, two.low)
    np.testing.assert_array_equal(one.ahead, two.ahead)


def test_the_bootstrap_equals_one_written_out_in_loops():
    seconds = np.random.default_rng(2).lognormal(0, 0.5, size=(2, 3, 3))
    found = bootstrap(seconds, [-1] * 3, DOCUMENTED, share_studies=False)
    uniform = draws.uniforms(0, range(NUM_REPLICATES), range(2), range(3), range(3))
    wins = 0
    for replicate in range(NUM_REPLICATES):
        times = np.empty((2, 3))
        for i, j in itertools.product(range(2), range(3)):
            times[i, j] = sorted(seconds[i, j, int(u * 3)] for u in uniform[replicate, i, j])[1]
        ratio = times / times.min(axis=0)
        score = [sum(max(0.0, 4 - r) / 3 for r in row if r <= 4) / 3 for row in ratio]
        wins += score[0] > score[1] + 1e-12
    assert found.ahead[0, 1] == pytest.approx(wins / NUM_REPLICATES)
    assert medians(seconds).shape == (2, 3)
