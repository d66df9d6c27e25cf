from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import algoperf_scoring
from algoperf.commands.score import score as score_command
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import Leaderboard, to_json
from algoperf_scoring.csv_output import csv_text
from algoperf_scoring.markdown import markdown
from algoperf_scoring.outputs import write_leaderboard
from algoperf_scoring.report import render
from algoperf_scoring.terminal import print_leaderboard


@pytest.fixture
def board(runs) -> Leaderboard:
    runs.reaching("odd|name_", "wmt", 12.5)
    runs.missing("odd|name_", "ogbg")
    runs.reaching("plain", "wmt", 20000)
    return algoperf_scoring.score(runs.root, load_version(), "external")


def in_terminal(board: Leaderboard, width: int = 80) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        print_leaderboard(board, console)
    return console.export_text()


def test_json_shape(board: Leaderboard):
    content = json.loads(json.dumps(to_json(board), allow_nan=False))
    assert (content["version"], content["ruleset"], content["scale"]) == ("v0.6", "external", "full")
    assert content["scores"] == {"odd|name_": 0.125, "plain": 0.0}
    assert content["scores_trapezoid"] == pytest.approx({"odd|name_": 0.125, "plain": 0.0})
    assert content["time_to_target"]["odd|name_"]["wmt"] == 12.5
    assert content["time_to_target"]["odd|name_"]["ogbg"] is None
    assert content["studies"]["odd|name_"] == {name: int(name in ("wmt", "ogbg")) for name in content["workloads"]}
    assert {"submission": "plain", "workload": "ogbg", "studies": 0, "expected": 3} in content["missing"]
    assert content["problems"] == []


def test_markdown_shows_names_as_they_are_and_tells_never_from_no_results(board: Leaderboard):
    page = markdown(board)
    assert r"| 1 | odd\|name\_ | 0.1250 | - | 0-1 | - | 1/8 |" in page
    assert "| never 0/1 | 12.50 |" in page
    assert "| - | 20,000.0 cut |" in page
    assert "the 8 scored workloads of v0.6" in page


def test_reports_are_written_and_do_not_disturb_later_scoring(runs, board: Leaderboard):
    files = write_leaderboard(board, runs.root / "report")
    assert sorted(path.name for path in (runs.root / "report").iterdir()) == [
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.md",
        "report.html",
    ]
    assert files[0] == runs.root / "report" / "report.html"
    assert json.loads(files[-1].read_text()) == to_json(board)
    assert to_json(algoperf_scoring.score(runs.root, load_version(), "external")) == to_json(board)


def test_a_place_that_cannot_be_written_is_a_user_error(runs, board: Leaderboard):
    (runs.root / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_leaderboard(board, runs.root / "file")


def test_terminal_shows_markup_in_names_as_text(runs):
    runs.reaching("[red]name", "digits", 1)
    assert in_terminal(algoperf_scoring.score(runs.root, load_version(), "self")).count("[red]name") == 2


def test_command_writes_json_and_reports(runs, tmp_path: Path):
    runs.reaching("a", "digits", 3, status={"ruleset": "external", "scale": "full"})
    arguments = [str(runs.root), "--json", str(tmp_path / "x.json"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(score_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "digits" in result.output
    assert json.loads((tmp_path / "x.json").read_text())["scores"] == {"a": 1.0}
    assert (tmp_path / "out" / "leaderboard.md").is_file()
    assert "Health checks" in (tmp_path / "out" / "report.html").read_text()
    CliRunner().invoke(score_command, [*arguments, "--no-checks"], catch_exceptions=False)
    assert "Health checks" not in (tmp_path / "out" / "report.html").read_text()


def test_command_passes_its_options_on(runs):
    runs.reaching("a", "wmt", 3)
    with pytest.raises(UserError, match="Did you mean 'wmt'"):
        CliRunner().invoke(score_command, [str(runs.root), "--workloads", "ogbg, wmtt"], catch_exceptions=False)
    with pytest.raises(UserError, match="Unknown ruleset 'extern'"):
        CliRunner().invoke(score_command, [str(runs.root), "--ruleset", "extern"], catch_exceptions=False)


def test_command_explains_a_missing_scoring_package(runs, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="scoring package is not installed"):
        CliRunner().invoke(score_command, [str(runs.root)], catch_exceptions=False)


def test_scoring_imports_no_framework_and_no_pandas():
    code = "import sys, algoperf_scoring; print([m for m in ('jax', 'torch', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_csv_has_a_row_for_each_submission_with_all_digits(runs):
    runs.reaching("=1+1", "wmt", 1 / 3)
    runs.reaching("b", "wmt", 20000)
    runs.missing("none", "ogbg", status={"status": "running", "finished": False})
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    rows = list(csv.DictReader(io.StringIO(csv_text(board))))
    assert [row["submission"] for row in rows] == ["'=1+1", "b", "none"]
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert float(rows[0]["seconds:wmt"]) == 1 / 3
    assert float(rows[0]["score"]) == board.entries[0].score
    assert (rows[0]["outcome:ogbg"], rows[0]["seconds:ogbg"]) == ("missing", "")
    assert (rows[1]["outcome:wmt"], rows[2]["outcome:ogbg"]) == ("cut", "unfinished")


def test_readers_see_titles_and_two_of_the_same_title_are_told_apart(runs):
    for name, title in {"a": "Twin", "b": "Twin", "c": "Other"}.items():
        runs.reaching(name, "wmt", 10)
        (runs.root / name / "submission_info.yml").write_text(f"submission_name: {title}\n")
    runs.reaching("c", "wmt", 10, framework="pytorch")
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    assert board.titles == {
        "a": "Twin (a)",
        "b": "Twin (b)",
        "c (jax)": "Other (jax)",
        "c (pytorch)": "Other (pytorch)",
    }
    for page in (markdown(board), render(board)):
        assert "Twin (a)" in page
    assert "| Twin (b) | 10.00 |" in markdown(board).partition("## Seconds")[2].replace(" - |", "")


def test_equal_reasons_are_one_line_for_people_and_single_entries_in_json(runs):
    for study in range(3):
        runs.trial("a", "wmt", None, study=study)
    runs.reaching("b", "wmt", 1)
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    assert len(to_json(board)["problems"]) == 3
    assert "- a/study_0/wmt_jax/trial_1/eval_measurements.csv and 2 more: is missing" in markdown(board)


def test_hardware_is_shown_and_a_difference_is_told(runs):
    def status(name: str) -> dict:
        return {"hardware": {"devices": [f"cuda:{name}"] * 8}}

    runs.reaching("a", "wmt", 1, status=status("V100"))
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    assert board.hardware == ("8x V100",)
    assert "Hardware differs" not in markdown(board)
    runs.reaching("b", "wmt", 1, status=status("A100"))
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    for page in (markdown(board), in_terminal(board), render(board)):
        words = " ".join(page.split())
        place = words.index("these times, and so ranks, scores and speedups, cannot be compared with each other")
        assert "8x A100 (b); 8x V100 (a)" in words
        # It is said before the first number.
        assert place < words.index("0.1250")


def test_intervals_and_undecided_neighbours_are_shown_with_scores(runs):
    for name, times in {"a": (10, 11, 30), "b": (12, 13, 14)}.items():
        for study, seconds in enumerate(times):
            runs.reaching(name, "wmt", seconds, study=study)
    board = algoperf_scoring.score(runs.root, load_version(), "external", workloads=["wmt"])
    for page in (markdown(board), render(board), in_terminal(board)):
        assert "95 % interval" in page
        assert "a before b may be chance: a is better in " in " ".join(page.split())
        assert "Nothing here is beyond chance: that takes at least 5 studies" in " ".join(page.split())
        assert "is ahead" not in page.partition("<script")[0]


def test_a_submission_with_one_study_is_said_to_have_no_spread_of_its_own(runs):
    runs.reaching("single", "wmt", 10)
    for study, seconds in enumerate((12, 13, 14)):
        runs.reaching("several", "wmt", seconds, study=study)
    page = markdown(algoperf_scoring.score(runs.root, load_version(), "external", workloads=["wmt"]))
    assert "- single has one study: its interval shows the spread of the others only" in page
    assert "several has one study" not in page


def test_what_is_beyond_chance_and_what_is_tied_is_said_alike_everywhere(runs):
    for name, times in {
        "a": (10, 11, 12, 13, 14),
        "b": (30, 31, 32, 33, 34),
        "c": (31, 30, 34, 33, 32.5),
        "few": (80, 81),
    }.items():
        for study, seconds in enumerate(times):
            runs.reaching(name, "wmt", seconds, study=study)
    board = algoperf_scoring.score(runs.root, load_version(), "external", workloads=["wmt"])
    assert ("a", "b") not in board.unseparated
    assert ("a", "few") in board.unseparated
    for page in (markdown(board), render(board), in_terminal(board)):
        words = " ".join(page.split())
        assert "b and c are tied: b is better in" in words
        assert "few has fewer than 5 studies on some workload: its order may always be chance" in words
        assert "a before b" not in words
    content = to_json(board)["uncertainty"]["neighbours"][1]
    assert (content["is_separated"], content["is_tie"]) == (False, True)


def test_workloads_that_are_not_scored_give_no_verdict(runs):
    for name, seconds in {"a": 10, "b": 30}.items():
        for study in range(6):
            runs.reaching(name, "digits", seconds + study, study=study)
    board = algoperf_scoring.score(runs.root, load_version(), "self")
    assert board.unseparated == (("a", "b"),)
    for page in (markdown(board), render(board), in_terminal(board)):
        words = " ".join(page.split())
        assert "digits is not a scored workload, so no verdict is given; its times can be compared." in words
        assert "Nothing here is beyond chance" not in words.partition("<script")[0]


def test_several_workloads_that_are_not_scored_are_named(runs):
    for name, seconds in {"a": 10, "b": 30}.items():
        for workload in ("digits", "cifar"):
            for study in range(2):
                runs.reaching(name, workload, seconds + study, study=study)
    board = algoperf_scoring.score(runs.root, load_version(), "self")
    assert "digits and cifar are not scored workloads, so no verdict is given; their times can be" in markdown(board)


def test_unfinished_trials_are_shown_on_every_page(runs):
    status = {"status": "interrupted", "finished": False, "seconds": {"submission": 41.2}, "budget_sec": 135}
    runs.missing("good", "digits", status=status)
    pages = []
    for name in ("good", "fast"):  # alone, then beside one that has a result
        if name == "fast":
            runs.reaching(name, "digits", 5)
        board = algoperf_scoring.score(runs.root, load_version(), "self")
        pages += [markdown(board), in_terminal(board, 100), render(board)]
    for page in pages:
        words = " ".join(page.split())
        assert "good: digits study 0, trial 1 is interrupted, 41 of 135 s" in words
    assert "| - | good | unfinished |" in pages[0]
    assert "| good | unfinished 41 of 135 s |" in pages[0]
    assert "never" not in pages[0].partition("## Seconds to target")[2].partition("##")[0]


def test_without_a_terminal_times_stand_in_one_table(runs, tmp_path, monkeypatch):
    """A file has room for them; a terminal of 80 columns takes four submissions abreast."""
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"submission_number_{number}" for number in range(7)]
    for name in names:
        runs.reaching(name, "wmt", 12.5)
    board = algoperf_scoring.score(runs.root, load_version(), "external")
    with (tmp_path / "out").open("w") as file, contextlib.redirect_stdout(file):
        print_leaderboard(board)
    text = (tmp_path / "out").read_text()
    assert text.count("seconds to target") == 1
    assert all(name in text for name in names)
    assert in_terminal(board).count("seconds to target") == 2
