from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from algoperf.versions import load_version
from algoperf_scoring.approach import Improvement, approach, first_reaching, relaxed_target
from algoperf_scoring.facts import Facts
from algoperf_scoring.results import Results, TrialResult, best_hit, medians, study_times
from algoperf_scoring.rules import AS_PUBLISHED, DOCUMENTED, ScoringRule
from algoperf_scoring.runs import RecordedTrial

SSIM = load_version().limits("fastmri")
LOSS = load_version().limits("criteo1tb")
INF, NAN = math.inf, math.nan


def test_an_approach_keeps_the_rows_that_are_better_than_all_before():
    values = [0.3, NAN, 0.2, 0.3, 0.5, INF, 0.4]
    found = approach(values, [10.0 * k for k in range(7)], [float(k) for k in range(7)], "max")
    assert found == (Improvement(0, 0, 0, 0.3), Improvement(4, 4, 40, 0.5))
    falling = approach([0.3, -INF, 0.4, 0.1], [1, 2, 3, 4], [1, 2, 3, 4], "min")
    assert [hit.row for hit in falling] == [0, 3]
    assert approach([NAN, INF], [1, 2], [1, 2], "max") == ()


@pytest.mark.parametrize(("limits", "sign"), [(SSIM, 1), (LOSS, -1)])
def test_the_first_row_at_the_target_counts_equality_included(limits, sign: int):
    target = limits.validation_target
    values = [target - 0.1 * sign, target, target + 0.1 * sign, target - 0.1 * sign]
    found = approach(values, [1, 2, 3, 4], [10, 20, 30, 40], limits.goal)
    hit = first_reaching(found, target, limits.goal)
    assert hit == Improvement(1, 20, 2, target)
    assert first_reaching(found, target + 0.2 * sign, limits.goal) is None


def test_the_first_reaching_row_equals_that_of_a_plain_search_for_any_target():
    random = np.random.default_rng(0)
    for goal in ("min", "max"):
        values = random.choice([0.1, 0.2, 0.3, 0.4, NAN, INF, -INF], size=(200, 12))
        for row, target in itertools.product(values, (0.05, 0.2, 0.35)):
            good = np.isfinite(row) & ((row <= target) if goal == "min" else (row >= target))
            hit = first_reaching(approach(list(row), list(range(12)), list(range(12)), goal), target, goal)
            assert (None if hit is None else hit.row) == (int(np.argmax(good)) if good.any() else None)


def test_targets_are_relaxed_towards_what_is_easier():
    assert relaxed_target(SSIM, 0.0) == SSIM.validation_target
    assert relaxed_target(SSIM, 0.1) == SSIM.validation_target - 0.1 * SSIM.validation_target
    assert relaxed_target(LOSS, 0.1) == LOSS.validation_target + 0.1 * LOSS.validation_target


def test_the_fastest_trial_by_time_and_the_one_with_fewest_evaluations_may_differ():
    few, fast = Improvement(5, 900, 120.0, 0.8), Improvement(8, 500, 100.0, 0.8)
    assert best_hit([few, None, fast], "time") == fast
    assert best_hit([fast, None, few], "index") == few
    assert best_hit([None], "time") is None


def test_equal_indices_are_decided_by_time_in_any_order():
    hits = [Improvement(7, 1, 841.2, 0.8), Improvement(7, 2, 640.8, 0.8), Improvement(9, 3, 1.0, 0.8)]
    for order in itertools.permutations(hits):
        assert best_hit(order, "index") == hits[1]


@pytest.mark.parametrize(
    ("studies", "expected"),
    [
        ([3.0, 1.0, 2.0], 2.0),
        ([3.0, 1.0, NAN], 2.0),
        ([INF, 1.0, 2.0], 2.0),
        ([INF, 1.0, INF], INF),
        ([1.0, INF, NAN], INF),
        ([1.0, 2.0, INF, 3.0], 2.5),
        ([INF, INF, NAN], INF),
        ([NAN, NAN, NAN], NAN),
        ([5.0, NAN, NAN], 5.0),
    ],
)
def test_median_over_the_studies_that_exist_and_infinity_propagates(studies: list[float], expected: float):
    np.testing.assert_array_equal(medians(np.array(studies)), expected)


def test_medians_equal_those_of_numpy():
    values = np.random.default_rng(1).uniform(1, 9, size=(40, 3, 5))
    np.testing.assert_array_equal(medians(values), np.median(values, axis=-1))
    np.testing.assert_array_equal(medians(values[..., :4]), np.median(values[..., :4], axis=-1))


def results(times: dict[tuple[str, int], list[float]]) -> Results:
    """Trials of workload fastmri that reach its target at the given seconds; row and step rise with the trial."""
    studies: dict[tuple[str, str], dict[int, tuple[TrialResult, ...]]] = {}
    for (name, number), seconds in times.items():
        trials = tuple(
            TrialResult(
                RecordedTrial(Path(), name, number, "fastmri", "jax", "", k, Facts()),
                (Improvement(k, 10.0 * k, time, SSIM.validation_target),) if math.isfinite(time) else (),
                k + 1,
                time,
                0.0,
            )
            for k, time in enumerate(seconds)
        )
        studies.setdefault((name, "fastmri"), {})[number] = trials
    return Results(("a", "b", "c"), ("fastmri",), {}, {"fastmri": SSIM}, studies)


def test_study_times_are_packed_by_number_and_filled_with_nan():
    found = study_times(results({("a", 4): [9, 5], ("a", 1): [INF], ("b", 2): [7]}), DOCUMENTED)
    np.testing.assert_array_equal(found.seconds, [[[INF, 5]], [[7, NAN]], [[NAN, NAN]]])
    np.testing.assert_array_equal(found.steps, [[[INF, 10]], [[0, NAN]], [[NAN, NAN]]])
    published = study_times(results({("a", 4): [9, 5], ("a", 1): [INF]}), AS_PUBLISHED)
    np.testing.assert_array_equal(published.seconds[0, 0], [INF, 9])


def test_relaxation_is_part_of_the_rule():
    easy = results({("a", 0): [3]})
    harder = Results(
        easy.submissions,
        easy.workloads,
        {},
        {"fastmri": load_version("v1.0").limits("fastmri")},
        {("a", "fastmri"): {0: (_reaching_late(),)}},
    )
    strict, loose = (study_times(harder, ScoringRule(relaxation=share)).seconds[0, 0, 0] for share in (0.0, 0.02))
    assert (strict, loose) == (50, 20)


def _reaching_late() -> TrialResult:
    target = load_version("v1.0").limits("fastmri").validation_target
    steps = (Improvement(1, 1, 20, target * 0.985), Improvement(3, 3, 50, target))
    return TrialResult(RecordedTrial(Path(), "a", 0, "fastmri", "jax", "", 1, Facts()), steps, 4, 50, 0.0)
