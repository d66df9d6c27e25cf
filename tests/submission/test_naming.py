"""Names of submissions: refused at once everywhere, or taken everywhere."""

import os
import shutil

import pytest

import algoperf_scoring
from algoperf.cli import main
from algoperf.errors import UserError
from algoperf.submission.loading import submission_name
from algoperf.submission.naming import name_flaw
from algoperf.submission.new import check_name
from algoperf.versions import load_version

REFUSED = [".beta", "report", os.fsdecode(b"caf\xe9"), "two\nlines", "\x1b[31mred"]
TAKEN = ["reporter", "report_2", "My Adam-2", "caf\u00e9", "a.b"]


@pytest.mark.parametrize("name", REFUSED)
def test_no_command_takes_a_name_under_which_runs_cannot_be_filed(tmp_path, repository, name, capsys):
    folder = tmp_path / "submissions" / name
    shutil.copytree(repository / "submissions" / "baselines" / "nadamw_pytorch", folder)
    runs = tmp_path / "runs"
    where = ["--output-dir", str(runs), "--data-dir", str(tmp_path)]
    for command in (
        ["train", "--workload", "digits", "--submission", str(folder), "--framework", "pytorch", "--ruleset", "self"],
        ["check", str(folder), "--static-only"],
        ["score", str(tmp_path), "--submission", str(folder)],
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, *(where if command[0] == "train" else [])])
        assert end.value.code == 2, command
        assert "A submission cannot be called" in capsys.readouterr().err
    assert not runs.exists()
    with pytest.raises(UserError, match="will not do"):
        check_name(name)


@pytest.mark.parametrize("name", REFUSED + TAKEN)
def test_what_is_taken_is_scored_and_what_is_refused_is_left_out_with_a_note(tmp_path, name):
    trial = tmp_path / name / "study_1" / "digits_jax" / "trial_1"
    trial.mkdir(parents=True)
    (trial / "eval_measurements.csv").write_text("score,validation/accuracy\n10,0.99\n")
    shutil.copytree(tmp_path / name, tmp_path / "other")
    board = algoperf_scoring.score(tmp_path, load_version(), "self")
    assert {entry.submission for entry in board.entries} == {"other", *([name] if name in TAKEN else [])}
    assert len(board.comparison.notes) == (name in REFUSED)
    assert (name_flaw(name) == "") == (name in TAKEN)


def test_a_file_is_named_by_its_stem(tmp_path):
    assert submission_name(tmp_path / "mine.py") == "mine"
    with pytest.raises(UserError, match="'report' is for the reports of scoring"):
        submission_name(tmp_path / "report.py")


def test_the_nearest_name_is_one_that_is_taken():
    with pytest.raises(UserError, match="Try 'my_report'"):
        check_name("Report")
