"""Runs of the two tracks are scored apart, and never with each other."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

import algoperf_scoring
from algoperf.commands.report import report as report_command
from algoperf.commands.score import score as score_command
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring.json_output import to_json
from algoperf_scoring.markdown import markdown
from algoperf_scoring.report.page import render
from algoperf_scoring.wording import caption

V06 = load_version("v0.6")
MODEL = {"ruleset": "self", "track": "model"}


@pytest.fixture
def mixed(runs):
    for study in (0, 1):
        runs.reaching("mine", "ogbg", 10, study=study, status=MODEL)
        runs.reaching("published", "ogbg", 20, study=study, status=MODEL)
        runs.reaching("nadamw_jax", "ogbg", 20, study=study, status={"ruleset": "self"})  # a run of before the tracks
    return runs


def test_tracks_are_not_mixed(mixed):
    expected = r"different tracks.*algorithm \(2 trials\), model \(4 trials\).*--track model\.$"
    with pytest.raises(UserError, match=expected):
        algoperf_scoring.score(mixed.root, V06)


def test_a_track_can_be_chosen(mixed):
    board = algoperf_scoring.score(mixed.root, V06, track="model")
    assert [entry.submission for entry in board.entries] == ["mine", "published"]
    assert (board.comparison.track, board.reference) == ("model", "published")
    assert board.comparison.results.held_out == {}  # variants of the model are for algorithms
    assert board.entries[0].cells["ogbg"].ratio == 1
    assert "AlgoPerf v0.6, models, scale full" in caption(board)
    assert to_json(board)["track"] == "model"
    other = algoperf_scoring.score(mixed.root, V06, track="algorithm")
    assert [entry.submission for entry in other.entries] == ["nadamw_jax"]


def test_both_tracks_have_a_report_beside_their_runs(mixed):
    for arguments in (["score", "--report"], ["report"]):
        command = {"score": score_command, "report": report_command}[arguments[0]]
        for track in ("model", "algorithm", "model"):
            given = [str(mixed.root), "--track", track, "--no-checks", *arguments[1:]]
            assert CliRunner().invoke(command, given, catch_exceptions=False).exit_code == 0
        pages = {where: (mixed.root / where / "report.html").read_text() for where in ("report", "report/model")}
        assert 'href="../nadamw_jax"' in pages["report"]
        assert 'published"' not in pages["report"]
        assert 'href="../../published"' in pages["report/model"], "links lead from there to the runs"
        shutil.rmtree(mixed.root / "report")


def test_files_are_written_to_each_place_that_is_asked_for(mixed, tmp_path):
    given = [str(mixed.root), "--track", "model", "--no-checks", "--report", "--output", str(tmp_path / "out")]
    printed = CliRunner().invoke(score_command, given, catch_exceptions=False).output.replace("\n", "")
    for folder in (tmp_path / "out", mixed.root / "report" / "model"):
        assert sorted(file.name for file in folder.iterdir()) == [
            "leaderboard.csv", "leaderboard.json", "leaderboard.md", "report.html",
        ]  # fmt: skip
        assert f"Wrote {folder / 'report.html'}" in printed
    board = algoperf_scoring.score(mixed.root, V06, track="model")
    assert not [note for note in board.comparison.notes if "report" in note.path], "reports are no runs"


def test_models_have_a_size_and_a_reference(runs):
    sizes = {"model": {"num_parameters": 1234}, "memory": {"host_peak_bytes": 2_000_000, "device_peak_bytes": None}}
    for study in (0, 1):
        runs.reaching("mine", "ogbg", 10, study=study, status={**MODEL, **sizes})
        runs.reaching("mine", "fastmri", 10, study=study, status=MODEL)
        runs.reaching("published", "ogbg", 20, study=study, status=MODEL)
    board = algoperf_scoring.score(runs.root, V06)
    assert {(one["entry"], one["workload"]): one["num_parameters"] for one in to_json(board)["models"]} == {
        ("mine", "fastmri"): None, ("mine", "ogbg"): 1234, ("published", "ogbg"): None,
    }  # fmt: skip
    told = "no run of the published model with NAdamW on fastmri, so times there have no reference"
    command = (
        "Make one: algoperf train --model published --workload fastmri --framework jax --scale full --version v0.6 "
        f"--output-dir {runs.root}"
    )
    for text in (markdown(board), render(board)):
        assert f"{told}. {command}" in " ".join(text.split())
        assert "1,234" in text
        assert "2.0 MB of the process" in text
    assert "mine on fastmri: not recorded parameters" in markdown(board)


def test_the_other_track_has_no_sizes_on_its_page(runs):
    runs.reaching("mine", "ogbg", 10, status={"ruleset": "self", "model": {"num_parameters": 1234}})
    board = algoperf_scoring.score(runs.root, V06)
    assert to_json(board)["models"] == []
    assert "1,234" not in markdown(board)
    assert 'id="models"' not in render(board)


def test_damaged_sizes_are_not_recorded(runs):
    runs.reaching("mine", "ogbg", 10, status={**MODEL, "model": {"num_parameters": "many"}, "memory": [1]})
    (found,) = to_json(algoperf_scoring.score(runs.root, V06))["models"]
    assert (found["num_parameters"], found["host_bytes"]) == (None, None)


def test_an_unknown_track_is_refused(mixed):
    with pytest.raises(UserError, match=r"Unknown track 'modle'.*Did you mean 'model'"):
        algoperf_scoring.score(mixed.root, V06, track="modle")
