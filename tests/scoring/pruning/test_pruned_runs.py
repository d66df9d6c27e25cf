"""Runs that were pruned: their folders score as the whole ones do, and every output says what they are."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import read_comparison, sources, to_json
from algoperf_scoring.health import check_runs
from algoperf_scoring.markdown import markdown
from algoperf_scoring.pruning.replay import Replayed
from algoperf_scoring.pruning.replay_logs import replay_logs
from algoperf_scoring.report.page import render
from algoperf_scoring.report.payload import payload
from places import GOLDENS

EXTERNAL = {"ruleset": "external"}


def pruned(rule: str, reason: str = "It was not needed.") -> dict:
    return {**EXTERNAL, "status": "pruned", "finished": True, "pruned": {"rule": rule, "reason": reason}}


def write(run: Replayed, logs: Path, root: Path) -> None:
    """A replayed run, as a campaign would have left it."""
    source = run.curve.result.trial.folder
    folder = root / source.relative_to(logs)
    folder.mkdir(parents=True)
    if run.num_evaluations:
        lines = (source / "eval_measurements.csv").read_text().splitlines(keepends=True)
        (folder / "eval_measurements.csv").write_text("".join(lines[: run.num_evaluations + 1]))
    if run.verdict is not None:
        order = {"rule": run.verdict.rule, "reason": run.verdict.reason}
        status = {"ruleset": "self", "status": "pruned", "finished": True, "pruned": order}
        (folder / "status.json").write_text(json.dumps(status))


@pytest.mark.parametrize("error", [None, 0.05])
def test_folders_of_pruned_runs_score_as_the_replay_says(tmp_path, error):
    with tarfile.open(GOLDENS / "logs" / "v05_self.tar.xz") as tar:
        tar.extractall(tmp_path / "logs", filter="data")
    version = load_version("v0.5")
    replayed = replay_logs(read_comparison(sources(tmp_path / "logs"), version, "self"), error)
    for run in replayed.replay.runs:
        write(run, tmp_path / "logs", tmp_path / "runs")
    board = algoperf_scoring.score(tmp_path / "runs", version, "self")
    found = to_json(board)
    expected = dict(zip(replayed.comparison.results.submissions, map(float, replayed.pruned), strict=True))
    assert {name: found["scores"].get(name, 0.0) for name in expected} == expected
    assert len(found["pruned"]) == sum(run.verdict is not None for run in replayed.replay.runs)
    assert not found["problems"]
    assert found["missing"] == to_json(algoperf_scoring.rank(replayed.comparison))["missing"]


@pytest.fixture
def board(runs) -> algoperf_scoring.Leaderboard:
    """Of a, everything ended; b was cut on wmt, was settled on ogbg, and had a study on fastmri that was not begun."""
    for study in range(3):
        for workload in ("wmt", "ogbg", "fastmri"):
            runs.reaching("a", workload, 100 + study, study=study, status=EXTERNAL)
        runs.missing("b", "wmt", study=study, status=pruned("cut", "Too slow."))
        if study < 2:
            runs.missing("b", "ogbg", study=study, status=EXTERNAL)
            runs.reaching("b", "fastmri", 50, study=study, status=EXTERNAL)
    for workload in ("ogbg", "fastmri"):
        (runs.trial("b", workload, None, study=2, status=pruned("settled")) / "meta_data_0.json").unlink()
    return algoperf_scoring.score(runs.root, runs.version)


def test_a_cell_says_whether_its_median_is_open(board):
    found = to_json(board)
    outcomes = {name: found["outcomes"]["b"][name] for name in ("wmt", "ogbg", "fastmri", "criteo1tb")}
    assert outcomes == {"wmt": "pruned", "ogbg": "not reached", "fastmri": "reached", "criteo1tb": "missing"}
    assert found["uncertainty"]["refused"].startswith("5 runs were pruned")
    assert [one["workload"] for one in found["missing"] if one["submission"] == "b"] == [
        name for name in board.workloads if name not in ("wmt", "ogbg", "fastmri")
    ]
    first = {"submission": "b", "workload": "fastmri", "study": 2, "trial": 1, "has_begun": False}
    assert {**first, "rule": "settled", "reason": "It was not needed."} in found["pruned"]
    assert not found["problems"]


def test_every_page_says_what_was_pruned(board):
    text = "b: 5 runs not run to the end, 2 of them not begun (3 cut, 2 settled)"
    page = markdown(board)
    assert "## Pruned" in page
    for shown in (page.replace("\\", ""), render(board)):
        assert text in shown
        assert "*: some runs were pruned" in shown
        assert "Pruned runs allow no intervals" in shown
    assert "never 0/2\\*" in page
    assert "50.00\\*" in page
    assert "| pruned |" in page


def test_the_reports_data_has_the_marks(board):
    cells = dict(zip(board.comparison.results.columns, payload(board)["cells"][1], strict=True))
    marks = {name: (cells[name]["pruned"], cells[name]["open"]) for name in ("wmt", "ogbg", "fastmri")}
    assert marks == {"wmt": (3, 3), "ogbg": (1, 0), "fastmri": (1, 0)}


def test_a_leaderboard_without_pruned_runs_has_no_mark(runs):
    runs.reaching("a", "wmt", 100, status=EXTERNAL)
    page = markdown(algoperf_scoring.score(runs.root, runs.version))
    assert "runed" not in page
    assert "*" not in page.replace("**", "")


def test_a_submission_of_which_nothing_was_begun_has_no_rank(runs):
    runs.reaching("a", "wmt", 100, status=EXTERNAL)
    runs.trial("b", "wmt", None, status=pruned(""))
    board = algoperf_scoring.score(runs.root, runs.version)
    assert to_json(board)["unranked"] == ["b"]
    assert "| - | b | pruned |" in markdown(board)
    assert "b: 1 run not run to the end, 1 of them not begun (1 no rule)" in markdown(board)


def test_a_strict_result_has_no_pruned_runs(runs):
    runs.missing("a", "wmt", status=pruned("cut", "Too slow."))
    with pytest.raises(UserError, match=r"a/study_0/wmt_jax/trial_1 was pruned: Too slow\."):
        algoperf_scoring.score(runs.root, runs.version, strict=True)


def test_checks_of_runs_warn_of_pruned_ones(runs):
    runs.missing("a", "wmt", status=pruned("cut", "Too slow."))
    found = json.dumps(check_runs(runs.root, runs.version).to_json())
    assert "pruned, stopped or not begun because it was not needed" in found
