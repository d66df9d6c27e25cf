"""Exact pruning: each rule by hand, the counter-examples, and any competition has the scores that it has unpruned."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_scoring import AS_PUBLISHED, DOCUMENTED
from algoperf_scoring.pruning.bounds import bounds, verdict
from algoperf_scoring.pruning.pruner import Pruner, in_order
from algoperf_scoring.pruning.replay import Replay, pruned_results, replay, scores
from algoperf_scoring.pruning.state import Cell, Known, Run
from algoperf_scoring.results import Results, medians, study_times
from competitions import OTHER, VARIANT, WORKLOAD, competition, failing, reaching


def ended(study: int, hit: float | None, trial: int = 1) -> Run:
    return Run(study, trial, "ended", seconds=hit or 1000.0, hit=hit)


def running(study: int, seconds: float, trial: int = 1) -> Run:
    return Run(study, trial, "running", seconds=seconds)


def planned(study: int, trial: int = 1) -> Run:
    return Run(study, trial)


THREE_ENDED = (ended(2, 10.0), ended(3, 20.0), ended(4, 30.0))


@pytest.mark.parametrize(
    ("rule", "run", "others", "known", "words"),
    [
        ("reached", Run(1, 1, "running", 50.0, 0.0, 50.0), [], Known(), "at 50 s"),
        ("beaten", running(1, 80.0, trial=2), [ended(1, 80.0), planned(2)], Known(), "of its study needed 80 s"),
        ("settled", planned(4), [ended(1, None), ended(2, None), ended(3, None), planned(5)], Known(), "infinite"),
        ("settled", planned(3), [ended(1, 70.0), ended(2, 70.0)], Known(), "is 70 s"),
        ("below", planned(1, trial=2), [ended(1, 10.0), *THREE_ENDED, planned(5)], Known(), "not above the median"),
        ("above", running(1, 30.0), [*THREE_ENDED, planned(5)], Known(), "at most 30 s"),
        ("cut", running(1, 401.0), [planned(2), planned(3)], Known(cut_sec=400.0), "more than 400 s"),
        ("void", planned(1), [planned(2)], Known(is_void=True), "failed on the workload itself"),
    ],
)
def test_each_rule_has_its_reason(rule, run, others, known, words):
    found = verdict(run, bounds([run, *others]), known)
    assert found is not None
    assert (found.rule, words in found.reason) == (rule, True), found.reason


@pytest.mark.parametrize(
    ("run", "others", "known"),
    [
        (running(1, 79.0, trial=2), [ended(1, 80.0)], Known()),
        (planned(4), [ended(1, None), ended(2, None), ended(3, 50.0), planned(5)], Known()),
        (running(1, 29.0), [*THREE_ENDED, planned(5)], Known()),
        (running(3, 25.0), [ended(1, 10.0), planned(2)], Known()),
        (running(1, 400.0), [planned(2), planned(3)], Known(cut_sec=400.0)),  # 4 times the fastest still counts
        (running(1, 500.0), [planned(2)], Known(cut_sec=400.0)),  # the mean with a short time may still count
        (planned(1, trial=2), [ended(1, 15.0), ended(2, 20.0), planned(3)], Known()),
    ],
)
def test_what_may_change_a_score_goes_on(run, others, known):
    assert verdict(run, bounds([run, *others]), known) is None


def test_an_even_number_of_studies_has_two_middle_values():
    found = bounds([ended(1, 10.0), ended(2, 20.0), ended(3, 30.0), planned(4)])
    assert (found.floor, found.ceiling, found.lower, found.upper) == (10.0, 30.0, 15.0, 25.0)
    assert bounds([ended(1, None), ended(2, None), planned(3), planned(4)]).has_failed


def test_trials_that_were_the_fastest_before_come_first():
    runs = [ended(1, 30.0, 1), ended(1, 20.0, 2), ended(1, None, 3), planned(2, 1), planned(2, 2), planned(2, 3)]
    assert [(run.study, run.trial) for run in in_order(runs)] == [(2, 2), (2, 1), (2, 3)]


def test_the_published_rule_cannot_be_pruned():
    with pytest.raises(ValueError, match="slower trial may stand for its study"):
        Pruner(rule=AS_PUBLISHED)


def test_decisions_are_about_every_run_that_has_not_ended():
    cells = [
        Cell("a", WORKLOAD, [ended(1, None), ended(2, None), running(3, 7.0)]),
        Cell("a", VARIANT, [planned(1)]),
        Cell("b", WORKLOAD, [ended(1, 10.0), running(2, 5.0), planned(3)]),
        Cell("b", OTHER, [ended(1, 10.0), ended(2, 10.0), ended(3, 10.0)]),
        Cell("c", OTHER, [running(1, 39.0), running(2, 41.0), planned(3)]),
    ]
    found = Pruner({WORKLOAD: VARIANT}).decisions(cells)
    assert [(one.submission, one.workload, one.run.study, one.verdict.rule) for one in found] == [
        ("a", WORKLOAD, 3, "settled"),
        ("a", VARIANT, 1, "void"),
        ("c", OTHER, 2, "cut"),
    ]


def pruned(results: Results, curves, at_once: int = 1) -> Replay:
    return replay(results, curves, Pruner(results.held_out), results.submissions, at_once)


def test_a_workload_with_a_held_out_variant_is_never_cut():
    """B is 5 times as slow as A, so it has no credit. But its time on the variant takes A's credit away."""
    cells = {
        ("a", WORKLOAD): [[reaching(100)]],
        ("a", VARIANT): [[reaching(100)]],
        ("b", WORKLOAD): [[reaching(500)]],
        ("b", VARIANT): [[reaching(10)]],
        ("a", OTHER): [[reaching(100)]],
        ("b", OTHER): [[reaching(500)]],
    }
    results, curves = competition(cells)
    found = pruned(results, curves)
    assert scores(results).tolist() == scores(pruned_results(results, found.runs)).tolist() == [0.5, 0.0]
    base, other = (
        next(run for run in found.runs if (run.submission, run.workload) == ("b", name)) for name in (WORKLOAD, OTHER)
    )
    assert base.has_reached
    assert other.verdict is None or other.verdict.rule == "reached"  # its first evaluation was below the cut
    cells["b", OTHER] = [[[(399, 0.1), (401, 0.1), (500, 0.0)]]]
    results, curves = competition(cells)
    cut = next(run for run in pruned(results, curves).runs if (run.submission, run.workload) == ("b", OTHER))
    assert (cut.verdict.rule, cut.num_evaluations, cut.spent_sec) == ("cut", 2, 403.0)


def test_what_is_not_needed_costs_nothing():
    """Studies of 100 s with a slower second trial; the third study is skipped, as is the variant of what failed."""
    slow = [(50, 0.1), (150, 0.0)]
    cells = {
        ("a", WORKLOAD): [[failing(10, 20)]] * 3,
        ("a", VARIANT): [[reaching(10)]] * 3,
        ("a", OTHER): [[reaching(100), slow], [reaching(100), slow], [reaching(100), slow]],
    }
    results, curves = competition(cells)
    found = pruned(results, curves)
    spent = {name: [run.spent_sec for run in found.runs if run.workload == name] for name in results.columns}
    assert spent == {WORKLOAD: [22, 22, 0], VARIANT: [0, 0, 0], OTHER: [102, 152, 102, 152, 0, 0]}
    assert found.cell_sec["a", OTHER] == 508
    assert scores(pruned_results(results, found.runs)).tolist() == scores(results).tolist() == [0.5]
    # Two at once: the slow trials are stopped at their first evaluation after 100 s, and a third study was begun.
    beside = pruned(results, curves, at_once=2)
    assert [run.spent_sec for run in beside.runs if run.workload == OTHER] == [102, 152, 102, 152, 100, 0]
    assert beside.cell_sec["a", OTHER] == 304


times = st.lists(st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0, 20.0, 40.0]), min_size=1, max_size=5)


@st.composite
def evaluations(draw) -> list[tuple[float, float]]:
    seconds = list(itertools.accumulate(draw(times)))
    hit = draw(st.none() | st.integers(0, len(seconds) - 1))
    return [(time, 0.0 if row == hit else 0.1) for row, time in enumerate(seconds)]


studies = st.lists(st.lists(evaluations(), min_size=1, max_size=3), min_size=1, max_size=5)


@st.composite
def cells(draw) -> dict:
    names = ("a", "b", "c")[: draw(st.integers(1, 3))]
    return {
        (name, workload): draw(studies)
        for name in names
        for workload in (WORKLOAD, OTHER, VARIANT)
        if workload == WORKLOAD or draw(st.booleans())
    }


@given(cells(), st.integers(1, 4), st.booleans())
def test_any_competition_keeps_its_scores(made, at_once, has_variant):
    results, curves = competition(made, has_variant)
    found = pruned(results, curves, at_once)
    kept = pruned_results(results, found.runs)
    np.testing.assert_array_equal(scores(kept), scores(results))
    assert all(run.spent_sec <= run.curve.total_sec for run in found.runs)
    # Medians that were not cut, and not void, are the same too.
    full, less = (medians(study_times(each, DOCUMENTED).seconds) for each in (results, kept))
    spared = [run for run in found.runs if run.verdict and run.verdict.rule in ("cut", "void")]
    touched = {(run.submission, run.workload) for run in spared}
    for (i, submission), (j, workload) in itertools.product(enumerate(results.submissions), enumerate(results.columns)):
        if (submission, workload) not in touched:
            assert full[i, j] == less[i, j] or (math.isnan(full[i, j]) and math.isnan(less[i, j]))
