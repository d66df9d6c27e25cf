from __future__ import annotations

import math

import pytest

from algoperf.versions import load_version
from algoperf_scoring import times
from algoperf_scoring.evaluations import Evaluation

SSIM = load_version().limits("fastmri")
LOSS = load_version().limits("criteo1tb")


def rows(*pairs: tuple[float, float]) -> list[Evaluation]:
    return [Evaluation(seconds, value) for seconds, value in pairs]


def test_trial_time_is_that_of_the_first_row_that_reached_the_target_even_if_later_rows_do_not():
    target = SSIM.validation_target
    assert times.trial_time(rows((1, 0.1), (2, target), (3, 0.2), (4, 0.9)), SSIM) == 2
    assert times.trial_time(rows((1, 0.5), (2, LOSS.validation_target)), LOSS) == 2


def test_trial_time_is_infinite_without_such_a_row():
    assert times.trial_time([], SSIM) == math.inf
    assert times.trial_time(rows((1, math.nan), (2, 0.7), (3, math.inf)), SSIM) == math.inf


def test_study_time_is_the_fastest_trial_not_the_first_in_rows():
    assert times.study_time([math.inf, 7.0, 5.0]) == 5.0


@pytest.mark.parametrize(
    ("studies", "expected"),
    [
        ([3.0, 1.0, 2.0], 2.0),
        ([3.0, 1.0], 2.0),
        ([math.inf, 1.0, 2.0], 2.0),
        ([math.inf, 1.0, math.inf], math.inf),
        ([1.0, math.inf], math.inf),
        ([1.0, 2.0, math.inf, 3.0], 2.5),
        ([math.inf, math.inf], math.inf),
    ],
)
def test_workload_time_is_the_median_and_infinity_propagates(studies: list[float], expected: float):
    assert times.workload_time(studies) == expected
