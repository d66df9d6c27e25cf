"""Speedup, sensitivity, cost, and what authors say."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import to_json
from algoperf_scoring.cost import final_training_sec
from algoperf_scoring.markdown import markdown
from algoperf_scoring.report import render
from algoperf_scoring.speedup import speedups
from algoperf_scoring.submission_info import SubmissionInfo, mistakes, read_submission_info

V06 = load_version("v0.6")


def score(runs, ruleset: str = "external", **options) -> algoperf_scoring.Leaderboard:
    return algoperf_scoring.score(runs.root, V06, ruleset, **options)


def test_speedup_is_the_geometric_mean_of_ratios_and_a_miss_counts_as_the_budget_and_a_second():
    times = np.array([[10.0, 40.0], [20.0, 10.0], [math.inf, 5.0], [math.nan, 5.0], [math.inf, math.nan]])
    found = speedups(times, [99.0, 199.0], reference=1)
    np.testing.assert_allclose(found, [math.sqrt(2 * 0.25), 1.0, *[math.sqrt(20 / 100 * 10 / 5)] * 2, math.nan])


def test_speedup_uses_the_budget_of_the_ruleset_and_the_reference_that_is_named(runs):
    runs.reaching("baseline", "wmt", 100)
    runs.reaching("other", "wmt", 50)
    runs.missing("third", "wmt")
    runs.reaching("third", "ogbg", 10)
    board = score(runs)
    assert board.reference == "baseline"
    speedup = to_json(board)["speedup"]
    assert speedup["other"] == pytest.approx(2 ** (1 / 8))
    missed = V06.max_runtime_sec("ogbg", "external", "full")
    assert speedup["third"] == pytest.approx((100 / 43337 * (missed + 1) / 10) ** (1 / 8))
    expected = (100 / (1.5 * 43336 + 1) * (1.5 * missed + 1) / 10) ** (1 / 8)
    assert to_json(score(runs, "self"))["speedup"]["third"] == pytest.approx(expected)
    assert to_json(score(runs, reference="other"))["speedup"]["baseline"] == pytest.approx(0.5 ** (1 / 8))
    with pytest.raises(UserError, match="Did you mean 'other'"):
        score(runs, reference="othre")


def test_without_a_reference_there_is_no_speedup(runs):
    runs.reaching("a", "wmt", 100)
    assert to_json(score(runs))["speedup"] == {"a": None}


def test_steps_to_target_are_those_of_the_trial_that_counts(runs):
    target = V06.limits("wmt").validation_target
    runs.trial("a", "wmt", [(10, 0), (20, 0), (30, target)], trial=1)
    runs.trial("a", "wmt", [(40, target)], trial=2)
    assert to_json(score(runs))["steps_to_target"]["a"]["wmt"] == 2
    published = score(runs, rule=algoperf_scoring.AS_PUBLISHED)
    assert to_json(published)["steps_to_target"]["a"]["wmt"] == 0


def test_relaxed_targets_give_a_curve_of_times_and_scores(runs):
    target = V06.limits("wmt").validation_target
    runs.trial("a", "wmt", [(10, 0.8 * target), (20, 0.95 * target), (30, 0.999 * target)])
    curve = to_json(score(runs, workloads=["wmt"]))["sensitivity"]["relaxed_targets"]
    assert {item["relaxation"]: item["time_to_target"]["a"]["wmt"] for item in curve} == {
        0.0: None,
        0.005: 30,
        0.01: 30,
        0.02: 30,
        0.05: 20,
        0.1: 20,
        0.2: 10,
    }
    assert [item["scores"]["a"] for item in curve] == [0, 1, 1, 1, 1, 1, 1]


def test_leaving_a_workload_out_is_scoring_over_the_others(runs):
    for name, times in {"a": (10, 30, 20), "b": (20, 15, 50)}.items():
        for workload, seconds in zip(("wmt", "ogbg", "fastmri"), times, strict=True):
            runs.reaching(name, workload, seconds)
    chosen = ["wmt", "ogbg", "fastmri"]
    left_out = to_json(score(runs, workloads=chosen))["sensitivity"]["left_out"]
    for workload in chosen:
        others = [name for name in chosen if name != workload]
        assert left_out[workload] == pytest.approx(to_json(score(runs, workloads=others))["scores"])


def test_the_largest_ratio_is_varied(runs):
    runs.reaching("a", "wmt", 10)
    runs.reaching("b", "wmt", 50)
    varied = to_json(score(runs, workloads=["wmt"]))["sensitivity"]["max_ratio"]
    assert varied["4.0"] == {"a": 1.0, "b": 0.0}
    assert varied["6.0"] == pytest.approx({"a": 1.0, "b": 0.2})


def test_pruned_runs_refuse_uncertainty_with_a_word(runs):
    for study in range(3):
        runs.reaching("a", "wmt", 10, study=study)
    assert to_json(score(runs))["uncertainty"]["intervals"]["a"] == (0.125, 0.125)
    runs.missing("b", "wmt", study=0, status={"status": "pruned", "finished": True})
    board = score(runs)
    assert to_json(board)["uncertainty"] == {"refused": "1 run was pruned: what they would have reached is unknown"}
    assert board.entries[0].interval is None
    assert "1 run was pruned" in markdown(board)


def test_cost_counts_training_evaluation_and_runs_that_never_got_there(runs):
    runs.reaching("a", "wmt", 3600)
    runs.missing("a", "ogbg", status={"seconds": {"submission": 7200.0, "evaluation": 1800.0}})
    cost = score(runs).entries[0].cost
    assert dataclasses.astuple(cost) == (2, 1, 3.0, 0.5, 2.5)


def test_training_time_at_the_end_is_in_the_last_row_of_measurements(runs):
    folder = runs.missing("a", "wmt")
    assert final_training_sec(folder) is None
    file = folder / "measurements.csv"
    file.write_text("global_step,loss,score,preemption_count\n" + "1,0.5,,\n" * 3000 + "9000,,7200.5,0\n")
    assert final_training_sec(folder) == 7200.5
    assert score(runs).entries[0].cost.training_hours == pytest.approx(7200.5 / 3600)
    file.write_text("global_step,loss,score,preemption_count\n1,0.5,,\n")
    assert final_training_sec(folder) is None


LINK = "https://example.org/a_(b)"
INFO = """submission_name: A "new" rule
authors: [Ada Lovelace, Émilie du Châtelet]
affiliations: Somewhere
framework: JAX
code: https://example.org/code
link: https://example.org/a_(b)
description: |
  Two
  lines.
"""


def test_what_authors_say_is_found_beside_the_runs_or_below_a_folder(runs, tmp_path: Path):
    runs.reaching("a", "wmt", 1)
    runs.reaching("b", "wmt", 2)
    (runs.root / "a" / "submission_info.yml").write_text(INFO, encoding="utf-8")
    elsewhere = tmp_path / "submissions" / "external_tuning" / "b"
    elsewhere.mkdir(parents=True)
    (elsewhere / "submission_info.yml").write_text("authors: B\nlink: javascript:alert(1)\n")
    with pytest.raises(UserError, match=f"submission is not a folder. Did you mean '{tmp_path}/submissions'"):
        score(runs, info_folders=[tmp_path / "submission"])
    board = score(runs, info_folders=[tmp_path / "submissions"])
    infos = {entry.submission: entry.info for entry in board.entries}
    authors = "Ada Lovelace, Émilie du Châtelet"
    assert infos["a"] == SubmissionInfo(
        'A "new" rule', authors, "Somewhere", "JAX", "Two lines.", "https://example.org/code", link=LINK
    )
    assert infos["b"] == SubmissionInfo(authors="B")
    page = markdown(board)
    links = "[code](https://example.org/code), [link](https://example.org/a_%28b%29)"
    assert f'| 1 | A "new" rule, {links} | {authors} (Somewhere) | JAX |' in page
    assert f'<a href="{LINK}" rel="noreferrer">link</a>' in render(board)
    assert json.loads(json.dumps(to_json(board)))["submission_info"]["a"]["authors"] == authors


@pytest.mark.parametrize("content", ["a: [", "- list\n", "\x00"])
def test_damaged_info_is_noted_and_does_no_harm(runs, content: str):
    runs.reaching("a", "wmt", 1)
    file = runs.root / "a" / "submission_info.yml"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"cannot be read|not a table"):
        read_submission_info(file)
    board = score(runs)
    assert board.entries[0].info is None
    assert any(note.path.endswith("submission_info.yml") for note in board.comparison.notes)


@pytest.mark.parametrize(
    "status",
    [
        {"hardware": {"devices": 3}},
        {"hardware": [1]},
        {"hardware": {"cpus_usable": "two", "devices": None}},
        {"seconds": {"submission": 10**400}},
        {"seconds": {"submission": "long"}},
        {"seconds": [1]},
        {"finished": "yes", "status": 5, "version": ["v0.6"]},
    ],
)
def test_odd_values_in_a_status_do_no_harm(runs, status: dict):
    runs.reaching("a", "wmt", 3600, status=status)
    entry = score(runs).entries[0]
    assert entry.cells["wmt"].seconds == 3600
    assert entry.cost.training_hours == 1.0


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ("authors: A\nruleset: Self-Tuning\nframework: jax\n", []),
        ("author: A\n", [r"unknown field 'author'. Did you mean 'authors'\? Allowed: submission_name, "]),
        (
            "ruleset: externl\nframework: TF\n",
            ["ruleset: externl. Allowed: external, self-tuning", "framework: TF. Allowed: JAX"],
        ),
    ],
)
def test_mistakes_in_info_are_named(runs, content: str, reasons: list[str]):
    runs.reaching("a", "wmt", 1)
    file = runs.root / "a" / "submission_info.yml"
    file.write_text(content)
    found = mistakes(file)
    assert len(found) == len(reasons)
    assert all(re.search(reason, mistake) for reason, mistake in zip(reasons, found, strict=True))
    notes = [note.reason for note in score(runs).comparison.notes if note.path.endswith("submission_info.yml")]
    assert notes == found
