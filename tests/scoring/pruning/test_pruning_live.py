"""Pruning of runs that are being made: what their folders say, which orders are written, and which are withdrawn."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from algoperf.records.prune_order import PruneOrder, read_order, write_order
from algoperf.versions import load_version
from algoperf_scoring import read_comparison, sources
from algoperf_scoring.pruning.live import LivePruning, Planned, exact_pruner, futility_pruner, read_run

V06, V05 = load_version("v0.6"), load_version("v0.5")
DONE = {"ruleset": "self", "status": "budget_spent", "finished": True}
RUNS = {"ruleset": "self", "status": "running", "finished": False}


def plan(root: Path, *places: tuple[str, str, int], trials: int = 1) -> list[Planned]:
    return [
        Planned.below(root, name, workload, "jax", study, trial)
        for name, workload, studies in places
        for study in range(studies)
        for trial in range(1, trials + 1)
    ]


def live(runs, *places, **options) -> LivePruning:
    return LivePruning(plan(runs.root, *places, **options), V06, "full", exact_pruner(V06, "full"))


def said(advice) -> list[tuple[str, int, int, str]]:
    return [(one.planned.submission, one.planned.study, one.planned.trial, one.verdict.rule) for one in advice]


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        (DONE, "ended"),
        ({"status": "submission_error", "finished": False}, "ended"),
        (RUNS, "running"),
        ({"status": "interrupted", "finished": False}, "running"),
        ({"status": "pruned", "finished": True}, "running"),  # without an order: it goes on
        (None, "planned"),
    ],
)
def test_a_folder_tells_where_a_run_stands(runs, status, stage):
    runs.trial("a", "wmt", [(5, 10.0), (10, 20.0), (15, 12.0)], status=status)
    (planned,) = plan(runs.root, ("a", "wmt", 1))
    run = read_run(planned, V06.limits("wmt"))
    assert (run.stage, run.seconds, run.hit) == (stage, 15.0, None)
    assert run.gap == pytest.approx(V06.limits("wmt").validation_target - 20.0)


def test_a_pruned_run_with_its_order_has_ended(runs):
    folder = runs.missing("a", "wmt", status={"status": "pruned", "finished": True})
    write_order(folder, PruneOrder("Because.", "cut"))
    (planned,) = plan(runs.root, ("a", "wmt", 1))
    assert read_run(planned, V06.limits("wmt")).stage == "ended"


def test_a_run_that_broke_the_rules_has_not_reached_its_target(runs):
    runs.reaching("a", "wmt", 10, status={"status": "rule_breach", "finished": False})
    (planned,) = plan(runs.root, ("a", "wmt", 1))
    run = read_run(planned, V06.limits("wmt"))
    assert (run.stage, run.hit, run.gap) == ("ended", None, math.inf)


def test_a_folder_that_is_not_there_or_damaged_is_a_planned_run(runs):
    missing, damaged = plan(runs.root, ("a", "wmt", 2))
    damaged.folder.mkdir(parents=True)
    (damaged.folder / "status.json").write_text("{")
    assert [read_run(each, V06.limits("wmt")).stage for each in (missing, damaged)] == ["planned", "planned"]


def test_orders_are_written_once_and_say_why(runs):
    """Two of three studies have failed: the third is settled. A trial of b is beaten by another one."""
    for study in range(2):
        runs.missing("a", "wmt", study=study, status=DONE)
    runs.reaching("b", "wmt", 10, status=DONE)
    runs.missing("b", "wmt", trial=2, status=RUNS)
    pruning = live(runs, ("a", "wmt", 3), ("b", "wmt", 3), trials=2)
    for study in range(2):
        runs.missing("a", "wmt", study=study, trial=2, status=DONE)
    found = pruning.order()
    assert said(found) == [("a", 2, 1, "settled"), ("a", 2, 2, "settled"), ("b", 0, 2, "beaten")]
    assert read_order(found[2].planned.folder) == PruneOrder(found[2].verdict.reason, "beaten")
    assert "used 10 s" in found[2].verdict.reason
    assert pruning.order() == []


def test_a_new_evaluation_is_seen(runs):
    runs.reaching("a", "ogbg", 100, status=DONE)
    folder = runs.trial("a", "ogbg", [(50, 0.1)], trial=2, status=RUNS)
    pruning = live(runs, ("a", "ogbg", 3), trials=2)
    assert pruning.advice() == []
    file = folder / "eval_measurements.csv"
    before = file.stat().st_mtime_ns
    file.write_text(file.read_text() + "7,101,0.1,0.1\n")
    os.utime(file, ns=(before + 1, before + 1))
    assert said(pruning.advice()) == [("a", 0, 2, "beaten")]


def test_orders_are_withdrawn_when_the_fastest_submission_is(runs):
    """b is cut: a is more than 4 times as fast. Its third study is settled by that. Without a, both are needed."""
    runs.reaching("a", "wmt", 10, status=DONE)
    for study in range(2):
        runs.trial("b", "wmt", [(30, 1.0), (50, 2.0)], study=study, status=RUNS)
    both = live(runs, ("a", "wmt", 1), ("b", "wmt", 3))
    assert said(both.order()) == [("b", 0, 1, "cut"), ("b", 1, 1, "cut")]
    for study in range(2):
        (runs.root / "b" / f"study_{study}" / "wmt_jax" / "trial_1" / "status.json").write_text(
            json.dumps({"ruleset": "self", "status": "pruned", "finished": True})
        )
    assert said(both.order()) == [("b", 2, 1, "settled")]
    assert both.withdraw() == []
    alone = live(runs, ("b", "wmt", 3))
    assert [one.study for one in alone.withdraw()] == [0, 1, 2]
    assert said(alone.advice()) == []
    assert not list(runs.root.glob("b/*/*/*/prune.json"))


def test_runs_wait_in_an_order_that_saves_most(runs):
    """Trial 2 was the fastest of the first study. The variant comes last, and cells keep their places."""
    runs.missing("a", "fastmri", trial=1, status=DONE)
    runs.reaching("a", "fastmri", 10, trial=2, status=DONE)
    planned = plan(runs.root, ("a", "fastmri_tanh", 1), ("a", "fastmri", 2), ("b", "fastmri", 1), trials=2)
    pruning = LivePruning(planned, V05, "full", exact_pruner(V05, "full"))
    waiting = [one for one in planned if not one.folder.is_dir()]
    assert [(one.submission, one.workload, one.study, one.trial) for one in pruning.in_order(waiting)] == [
        ("a", "fastmri", 1, 2),
        ("a", "fastmri", 1, 1),
        ("b", "fastmri", 0, 1),
        ("b", "fastmri", 0, 2),
        ("a", "fastmri_tanh", 0, 1),
        ("a", "fastmri_tanh", 0, 2),
    ]


def test_what_a_person_ordered_is_not_withdrawn(runs):
    folder = runs.missing("a", "wmt", status={"status": "pruned", "finished": True})
    write_order(folder, PruneOrder("I need the machine."))
    assert live(runs, ("a", "wmt", 3)).withdraw() == []


def test_held_out_variants_are_void_at_full_scale_only(runs):
    runs.missing("a", "fastmri", status=DONE)
    planned = plan(runs.root, ("a", "fastmri", 1), ("a", "fastmri_tanh", 1))
    assert said(LivePruning(planned, V05, "full", exact_pruner(V05, "full")).advice()) == [("a", 0, 1, "void")]
    assert exact_pruner(V05, "mini").held_out == {}


def test_futility_learns_from_recorded_runs(tmp_path, runs):
    """References fall behind by at most 0.1 of the way; a run of another submission stands still."""
    target = V06.limits("ogbg").validation_target
    budget = V06.max_runtime_sec("ogbg", "self")
    shares = [share / 20 for share in range(1, 17)]
    for name in ("a", "b", "c", "d"):
        for study in range(6):
            pace = 1 + 0.02 * study
            rows = [(share * budget * pace, target * share / 0.8) for share in shares]
            runs.trial(name, "ogbg", rows, study=study, status=DONE)
    references = read_comparison(sources(runs.root), V06)
    new = type(runs)(tmp_path / "new")
    new.trial("e", "ogbg", [(share * budget, 0.0) for share in shares[:12]], status=RUNS)
    new.trial("f", "ogbg", [(share * budget, target * share / 0.8) for share in shares[:12]], status=RUNS)
    planned = plan(new.root, ("e", "ogbg", 3), ("f", "ogbg", 3))
    found = LivePruning(planned, V06, "full", futility_pruner(references, 0.05)).advice()
    assert said(found) == [("e", 0, 1, "futile")]
