"""The logs of the v0.5 competition against its golden tables.

A small extract is always tested; the whole logs where they are at hand.
"""

from __future__ import annotations

import csv
import math
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import algoperf_scoring
from algoperf.versions import load_version
from algoperf_scoring import AS_PUBLISHED, DOCUMENTED, Comparison, ScoringRule, profiles
from algoperf_scoring.results import medians, study_hits, study_times
from places import GOLDENS, SHARED_LOGS

DATA = GOLDENS / "logs"
V05 = load_version("v0.5")
RULES = {"min_time": DOCUMENTED, "first_eval_index": AS_PUBLISHED}
TIMES = {"rel_tol": 1e-12, "abs_tol": 0.0}
SCORES = {"rel_tol": 0.0, "abs_tol": 1e-12}


@dataclass(frozen=True)
class Golden:
    """A set of logs, read, and the folder of its golden tables."""

    tables: Path
    comparison: Comparison

    def rows(self, name: str) -> dict[str, dict[str, str]]:
        with (self.tables / f"{name}.csv").open(newline="") as file:
            return {row.pop("submission"): row for row in csv.DictReader(file)}


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((DATA, "v05_self", "self"), id="extract-self"),
        pytest.param((SHARED_LOGS, "v05_self", "self"), id="whole-self"),
        pytest.param((SHARED_LOGS, "v05_external", "external"), id="whole-external", marks=pytest.mark.full),
    ],
)
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    folder, name, ruleset = request.param
    if not (folder / f"{name}.tar.xz").is_file():
        pytest.skip("the whole competition logs are not at hand")
    logs = unpacked(folder / f"{name}.tar.xz", tmp_path_factory.mktemp(name))
    return Golden(folder / name, algoperf_scoring.read_comparison(algoperf_scoring.sources(logs), V05, ruleset))


@pytest.mark.parametrize("name", RULES)
def test_times_and_ratios_are_golden(golden: Golden, name: str):
    board = algoperf_scoring.to_json(algoperf_scoring.rank(golden.comparison, RULES[name]))
    assert set(board["scores"]) == set(golden.rows(f"time_to_targets.{name}"))
    for table, key in (("time_to_targets", "time_to_target"), ("ratios", "ratios")):
        for submission, row in golden.rows(f"{table}.{name}").items():
            assert set(row) == set(board[key][submission])
            for workload, text in row.items():
                check(board[key][submission][workload], text)
    # An empty field means that there is no evaluation at all, `inf` that the target was not reached.
    for submission, row in golden.rows(f"time_to_targets.{name}").items():
        missing = {workload for workload, text in row.items() if not text}
        outcomes = board["outcomes"][submission]
        assert missing == {workload for workload, outcome in outcomes.items() if outcome == "missing"}


def check(value: float | None, text: str) -> None:
    expected = float(text or "inf")
    assert (value is None) == math.isinf(expected)
    assert value is None or math.isclose(value, expected, **TIMES)


@pytest.mark.parametrize("name", RULES)
def test_profiles_are_golden(golden: Golden, name: str):
    results = golden.comparison.results
    times = medians(study_times(results, RULES[name]).seconds)
    ratios = profiles.credit(times, results.variant_column, RULES[name]).ratios
    profile = profiles.profile(ratios, profiles.grid())
    for submission, row in golden.rows(f"performance_profile.{name}").items():
        np.testing.assert_allclose(list(map(float, row)), profiles.grid(), rtol=1e-15)
        expected = list(map(float, row.values()))
        np.testing.assert_array_equal(profile[results.submissions.index(submission)], expected)


@pytest.mark.parametrize("name", RULES)
def test_scores_are_golden_and_those_that_were_published(golden: Golden, name: str):
    board = algoperf_scoring.rank(golden.comparison, RULES[name])
    rows = golden.rows("scores")
    assert len(board.entries) == len(rows)
    for entry in board.entries:
        row = rows[entry.submission]
        assert math.isclose(entry.score_exact, float(row[f"{name}_exact_integral"]), **SCORES)
        assert math.isclose(entry.score_trapezoid, float(row[f"{name}_trapezoid100"]), **SCORES)
        if name == "first_eval_index":
            assert entry.score == entry.score_trapezoid
            assert round(entry.score, 4) == float(row["published"])
        else:
            assert entry.score == entry.score_exact


@pytest.mark.parametrize("name", RULES)
def test_speedups_are_golden(golden: Golden, name: str):
    """The tables have the inverse, and nothing where a submission has no results on some workload.

    Of one that reached no target, they compare budgets; here it has no speedup.
    """
    board = algoperf_scoring.rank(golden.comparison, RULES[name])
    assert board.reference == "baseline"
    rows = golden.rows("speedups")
    for entry in board.entries:
        row: dict[str, Any] = rows.get(entry.submission, {})
        column = f"geomean_ratio_to_baseline_{name}"
        expected = row.get(column) if row.get(column) not in (None, "nan") else row.get("ratio_missing_as_budget")
        if entry.submission == "baseline":
            assert entry.speedup == 1.0
        elif entry.speedup is None:
            assert not any(math.isfinite(cell.seconds) for cell in entry.cells.values())
        else:
            assert math.isclose(1 / entry.speedup, float(expected), **TIMES)


def test_every_score_lies_within_reach_of_its_replicates(golden: Golden):
    for entry in algoperf_scoring.rank(golden.comparison).entries:
        low, high = entry.interval
        assert 0 <= low <= high <= 1
        assert sum(entry.rank_probabilities) == pytest.approx(1)


def test_studies_in_which_the_rules_differ_are_golden(tmp_path: Path):
    logs = unpacked(DATA / "v05_index_rule.tar.xz", tmp_path)
    comparison = algoperf_scoring.read_comparison(algoperf_scoring.sources(logs), V05, "external")
    with (DATA / "v05_index_rule.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"min_time": DOCUMENTED, "first_eval_index_then_time": AS_PUBLISHED}
    for row in rows:
        for column, rule in columns.items():
            hits = study_hits(comparison.results, row["submission"], row["workload"], rule)
            hit = hits[int(row["study"].removeprefix("study_"))]
            check(hit.seconds if hit else None, row[column])
    assert sum(row["min_time"] != row["first_eval_index_then_time"] for row in rows) == 2
    assert sum(row["first_eval_index_then_time"] != row["first_eval_index_then_trial_name"] for row in rows) >= 4


def test_variants_that_are_not_held_out_do_not_matter(tmp_path: Path):
    """Extra variants of the baseline once served as held-out workloads where the list of these was lost."""
    logs = unpacked(DATA / "v05_self.tar.xz", tmp_path)
    before = algoperf_scoring.score(logs, V05, "self")
    some = next(iter(sorted((logs / "baseline").glob("study_*/ogbg_*"))))
    (some.parent / some.name.replace("ogbg", "ogbg_gelu")).mkdir()
    some.rename(some.parent / some.name.replace("ogbg_", "ogbg_gelu_"))
    after = algoperf_scoring.score(logs, V05, "self", rule=ScoringRule())
    assert [entry.submission for entry in before.entries] == [entry.submission for entry in after.entries]
    assert set(before.entries[0].cells) == set(after.entries[0].cells)
