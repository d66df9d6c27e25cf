"""The comparison of two submissions that were trained in turn: pairs of times, and what they tell."""

from __future__ import annotations

import json

import numpy as np
import pytest

from algoperf.records.layout import trial_dir
from algoperf_scoring.paired import NEVER, Pair, Reached, Side, describe, hosts, median_interval, read_pairs

SIDES = (Side("mine", "jax"), Side("other", "pytorch"))


def pairs(*sides):
    return [Pair(study, *both) for study, both in enumerate(sides, start=1)]


def timed(seconds, steps=100):
    return Reached(float(seconds), steps)


def verdict(*ratios):
    return " ".join(describe("digits", pairs(*((timed(ratio), timed(1)) for ratio in ratios)), "mine", "other"))


@pytest.mark.parametrize(
    ("ratios", "says"),
    [
        ([0.5], "0.500 of the time of other in one pair, which tells nothing about chance"),
        ([0.5, 0.6, 0.4], "faster in all of them. Two equal ones would look like that in 1 of 4 comparisons"),
        ([2, 3], "slower in all of them. Two equal ones would look like that in 1 of 2"),
        ([0.5, 2, 0.4], "faster in 2 of them: no difference can be told"),
        (
            [0.5, 0.6, 0.4, 0.7, 0.8, 0.9],
            "mine is faster: mine took 0.650 of the time of other (median of 6 pairs, 95 %",
        ),
        ([1.5, 1.6, 1.4, 1.7, 1.8, 1.9], "mine is slower"),
        ([0.5, 0.6, 0.4, 0.7, 0.8, 1.1], "No difference can be told"),
    ],
)
def test_only_what_the_pairs_can_tell_is_said(ratios, says):
    assert says in verdict(*ratios)


def test_studies_without_times_are_named_and_give_no_ratio():
    found = pairs((timed(1), NEVER), (None, timed(2)), (timed(1, steps=150), timed(2)))
    lines = describe("digits", found, "mine", "other")
    assert lines[:4] == [
        "digits: seconds (steps) to target, mine and other",
        "  study 1: 1.00 (100) and not reached",
        "  study 2: unfinished and 2.00 (100)",
        "  study 3: 1.00 (150) and 2.00 (100), ratio 0.500",
    ]
    assert "in one pair" in lines[4]
    assert lines[5:] == [
        "  mine took 1.500 of the steps of other.",
        "  other did not reach the target in 1 of 3 studies.",
    ]
    assert "no study in which both reached" in describe("digits", pairs((timed(1), None)), "mine", "other")[2]


def test_steps_are_compared_by_the_median_of_their_ratios():
    found = pairs(*((timed(1, steps=steps), timed(1, steps=100)) for steps in (50, 200, 80)))
    assert "  mine took 0.800 of the steps of other (median of 3 pairs)." in describe("digits", found, "mine", "other")


@pytest.mark.parametrize("count", [6, 9, 20])
def test_the_interval_holds_the_median_as_often_as_it_says(count):
    draws = np.exp(np.random.default_rng(count).standard_normal((4000, count)))  # the median is 1
    inside = [low <= 1 <= high for low, high in map(median_interval, draws.tolist())]
    assert 0.95 - 0.011 < np.mean(inside) < 0.985


def test_few_pairs_have_no_interval():
    assert [median_interval([1.0] * count) for count in range(6)] == [None] * 6


def test_times_and_steps_are_read_from_the_records(tmp_path):
    def write(side, study, trial, **status):
        folder = trial_dir(tmp_path, side.name, study, "digits", side.framework, trial)
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"finished": True, **status}))

    reached = {"target_reached_at": {"submission_sec": 2.5, "global_step": 70}}
    slower = {"target_reached_at": {"submission_sec": 2.6, "global_step": 60}}
    write(SIDES[0], 1, 1, **reached, hardware={"cpu_model_name": "A", "cpu_count": 2})
    write(SIDES[0], 1, 2, **slower)
    write(SIDES[1], 1, 1, target_reached_at=None, hardware={"cpu_model_name": "B", "cpu_count": 2})
    write(SIDES[1], 1, 2, target_reached_at=None)
    write(SIDES[0], 2, 1, **reached)
    write(SIDES[0], 2, 2, finished=False, target_reached_at=None)
    assert read_pairs(tmp_path, SIDES, "digits", studies=2, trials=2) == pairs(
        (timed(2.5, steps=70), NEVER), (None, None)
    )
    assert hosts(tmp_path, SIDES, "digits", 2, 2) == {"2x A", "2x B"}
    evaluated = {"checkpoints": [{"checkpoint": "checkpoint_70", "recorded": True, "mismatches": ["validation/loss"]}]}
    (trial_dir(tmp_path, "mine", 1, "digits", "jax", 1) / "evaluation.json").write_text(json.dumps(evaluated))
    [refuted] = read_pairs(tmp_path, SIDES, "digits", studies=1, trials=1)
    assert refuted.first == NEVER
