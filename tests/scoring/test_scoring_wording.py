"""What is said about a comparison: whole commands, once, in the words of the caller."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import algoperf_scoring
from algoperf.cli import cli
from algoperf.errors import UserError
from algoperf.make_words import CALLED_BY_MAKE, in_words_of_the_caller
from algoperf.versions import load_version
from algoperf_scoring import folders, wording
from algoperf_scoring.report.page import render
from algoperf_scoring.uncertainty import SEPARATED

V06 = load_version("v0.6")
SHARED = {"finished": True, "machine": {"sessions": [{"shared": True}]}}


@pytest.fixture
def others(runs, tmp_path):
    """Another folder of runs."""
    return type(runs)(tmp_path / "others")


def test_several_folders_with_disturbed_runs_are_named_together(runs, others):
    for folder, name in ((runs, "a"), (others, "b")):
        folder.reaching(name, "wmt", 10, status=SHARED)
    board = algoperf_scoring.score(algoperf_scoring.sources(runs.root, "a", others.root), V06, "self")
    (line,) = dict(wording.remarks(board))["Disturbed times"]
    assert line.endswith(f"`algoperf check-runs {runs.root}` and `algoperf check-runs {others.root}` say which.")


@pytest.mark.parametrize(
    ("by_make", "said"), [(False, "--scale full or --scale mini."), (True, "SCALE=full or SCALE=mini.")]
)
def test_what_to_choose_is_said_once_in_the_words_of_the_caller(runs, monkeypatch, by_make, said):
    for study, scale in enumerate(("full", "mini")):
        runs.reaching("a", "wmt", 10, study=study, status={"finished": True, "scale": scale})
    with pytest.raises(UserError) as refused:
        algoperf_scoring.score(runs.root, V06, "external")
    monkeypatch.delenv(CALLED_BY_MAKE, raising=False)
    if by_make:
        monkeypatch.setenv(CALLED_BY_MAKE, "score")
    assert in_words_of_the_caller(str(refused.value)).endswith(f". Choose one: {said}")


def test_where_no_verdict_is_given_no_pair_is_said_to_be_undecided(runs):
    for name, times in {"a": (10, 11, 30), "b": (12, 13, 14)}.items():
        for study, seconds in enumerate(times):
            runs.reaching(name, "digits", seconds, study=study)
    board = algoperf_scoring.score(runs.root, V06, "self")
    (pair,) = board.neighbours
    assert pair.probability < SEPARATED
    only = "digits is not a scored workload, so no verdict is given; its times can be compared."
    assert dict(wording.remarks(board))["Is the order certain?"] == [only]
    assert "may be chance" not in render(board).partition("<script")[0]


@pytest.mark.parametrize("command", [["score", "--output"], ["report", "--output"]])
def test_runs_that_lie_elsewhere_are_said_to_be_unchecked(runs, others, tmp_path, monkeypatch, command):
    monkeypatch.delenv(CALLED_BY_MAKE, raising=False)
    name, output = command
    for folder, submission in ((runs, "a"), (others, "b"), (others, "c")):
        folder.reaching(submission, "wmt", 10, status={"finished": True, "ruleset": "self"})
    out = tmp_path / "out"
    page = out / "report.html" if name == "score" else out.with_suffix(".html")
    arguments = [name, str(runs.root), output, str(out if name == "score" else page)]
    told = f"The 2 runs of {others.root} are not checked here: `algoperf check-runs {others.root}`."
    for more, is_said in ((["--submission", "a", "--against", str(others.root)], True), ([], False)):
        result = CliRunner().invoke(cli, [*arguments, *more], catch_exceptions=False)
        assert result.exit_code == 0
        assert (told in result.output.splitlines()) == is_said
        assert ("not checked here" in page.read_text()) == is_said


def test_baselines_that_come_with_the_benchmark_are_said_to_be_of_another_machine(runs, others, monkeypatch):
    def status(processor):
        return {"finished": True, "hardware": {"cpus_usable": 2, "cpu_model_name": processor}}

    def warnings():
        board = algoperf_scoring.score(algoperf_scoring.sources(runs.root, "a", others.root), V06, "self")
        return wording.warnings(board)

    runs.reaching("a", "wmt", 10, status=status("X"))
    for name in ("nadamw_jax", "nadamw_pytorch"):
        others.reaching(name, "wmt", 10, status=status("X"))
    assert warnings() == [], "of the same hardware, and nobody knows where from"
    monkeypatch.setattr(folders, "RECORDED", others.root)
    (told,) = warnings()
    assert told.startswith("The times of nadamw_jax, nadamw_pytorch come with the benchmark: they were recorded on an")
    runs.reaching("a", "wmt", 10, study=1, status=status("Y"))
    (told,) = warnings()
    assert told.startswith("Hardware differs"), "said once"
