"""The futility rule: whom it stops, and that its error is the stated one where its assumption holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algoperf_scoring.pruning.futility import MIN_RUNS, Futility, fit
from algoperf_scoring.pruning.pruner import Pruner
from algoperf_scoring.pruning.replay import replay
from algoperf_scoring.pruning.state import Run
from competitions import OTHER, WORKLOAD, Evaluations, competition

BUDGET = {WORKLOAD: 1000.0}
PERIODS = 25


def decaying(generator: np.random.Generator, rate: float) -> Evaluations:
    """Evaluations every 40 s of a noisy gap that decays from 1, until it is below 0.05 or the budget is spent."""
    found: list[tuple[float, float]] = []
    for period in range(PERIODS):
        time = 1.0 + 40.0 * period
        gap = math.exp(-rate * time / 1000) + 0.01 * generator.standard_normal() - 0.05
        found.append((time, gap))
        if gap <= 0:
            break
    return found


def recorded(seed: int, submissions: int = 12, runs: int = 10):
    """Results and curves of submissions that are alike: their runs are drawn from one distribution."""
    generator = np.random.default_rng(seed)
    cells = {
        (f"s{number}", WORKLOAD): [[decaying(generator, generator.uniform(2.0, 6.0))] for _ in range(runs)]
        for number in range(submissions)
    }
    return competition(cells, has_variant=False)


@pytest.fixture(scope="module")
def rule() -> Futility:
    return fit(recorded(0)[1], BUDGET, 0.05)


def at(seconds: float, gap: float) -> Run:
    return Run(1, 1, "running", seconds, gap)


def test_a_run_that_is_too_far_behind_is_stopped(rule):
    found = rule.verdict(at(801, 0.9), WORKLOAD, math.inf)
    assert found is not None
    assert found.rule == "futile"
    assert "distance to the target, 0.9, is" in found.reason
    assert rule.verdict(at(801, 0.01), WORKLOAD, math.inf) is None


def test_an_earlier_deadline_stops_earlier(rule):
    """Of runs that succeed in 600 s, none is so far behind after 400 s."""
    behind = at(401, 0.25)
    assert rule.verdict(behind, WORKLOAD, math.inf) is None
    assert rule.verdict(behind, WORKLOAD, 450.0) is not None


@pytest.mark.parametrize("run", [Run(1, 1), at(0.0, math.inf), Run(1, 1, "ended", 800.0, 0.9)])
def test_runs_without_evaluations_and_ended_ones_are_let_alone(rule, run):
    assert rule.verdict(run, WORKLOAD, math.inf) is None


def test_nothing_is_stopped_without_enough_references(rule):
    assert rule.verdict(at(801, 0.9), OTHER, math.inf) is None
    few = fit(recorded(0, submissions=3, runs=MIN_RUNS // 3)[1], BUDGET, 0.05)
    two = fit(recorded(0, submissions=2, runs=20)[1], BUDGET, 0.05)
    strict = fit(recorded(0)[1], BUDGET, 1e-6)  # so small an error needs a million runs
    assert not few.envelopes
    assert not two.envelopes
    for each in (few, two, strict):
        assert each.verdict(at(801, 0.9), WORKLOAD, math.inf) is None


def test_a_larger_error_has_a_lower_limit():
    limits = [fit(recorded(0)[1], BUDGET, error).limit for error in (0.02, 0.1, 0.5)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > limits[-1]


@pytest.mark.parametrize("error", [0.05, 0.2])
def test_the_error_is_the_stated_one_for_runs_like_the_references(error):
    """Of the successful runs of a further submission, over 40 competitions; each is judged at all its evaluations."""
    stopped = runs = 0
    for seed in range(40):
        curves = recorded(seed)[1]
        rule = fit(curves, BUDGET, error, without="s0")
        for curve in curves["s0", WORKLOAD]:
            if curve.hit_row is not None:
                steps = zip(curve.seconds[: curve.hit_row], curve.gaps, strict=False)
                runs += 1
                stopped += any(rule.verdict(at(*step), WORKLOAD, curve.hit) is not None for step in steps)
    assert runs > 250
    assert 0 < stopped / runs <= error + 2 * math.sqrt(error * (1 - error) / runs)


def test_a_replay_counts_the_runs_that_were_stopped_wrongly():
    """A submission that stands still, and then succeeds at once, is unlike all others."""
    late: Evaluations = [*((1.0 + 40.0 * period, 0.9) for period in range(PERIODS - 1)), (970.0, -0.1)]
    results, curves = recorded(1)
    more, of_late = competition({("late", WORKLOAD): [[late]]}, has_variant=False)
    results.studies.update(more.studies)
    curves.update(of_late)
    rule = fit(curves, BUDGET, 0.05, without="late")
    found = replay(results, curves, Pruner({}, {"late": rule}.get), ["late"])
    (run,) = found.runs
    assert run.is_wrongly_stopped
    assert not run.has_reached
    assert run.spent_sec < 700
