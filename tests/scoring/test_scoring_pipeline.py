"""From folders to leaderboards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import algoperf_scoring
from algoperf.commands.report import report as report_command
from algoperf.commands.score import score as score_command
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import Leaderboard, ScoringRule, to_json

V06 = load_version("v0.6")
EIGHT = 8


def score(runs, ruleset: str | None = "external", **options) -> Leaderboard:
    return algoperf_scoring.score(runs.root, V06, ruleset, **options)


def outcomes(board: Leaderboard, workload: str) -> dict[str, str]:
    return {entry.submission: entry.cells[workload].outcome for entry in board.entries}


def seconds(board: Leaderboard, submission: str, workload: str) -> float | None:
    return to_json(board)["time_to_target"][submission][workload]


def reasons(findings) -> dict[str, str]:
    return {finding.path: finding.reason for finding in findings}


def test_fastest_trial_then_median_over_studies(runs):
    for study, times in enumerate([(90, 30), (50, 70), (20, 80)]):
        for trial, time in enumerate(times, start=1):
            runs.reaching("a", "wmt", time, study=study, trial=trial)
    board = score(runs)
    assert seconds(board, "a", "wmt") == 30
    assert board.entries[0].cells["wmt"].studies == {0: 30, 1: 50, 2: 20}


def test_infinite_studies_propagate_through_the_median(runs):
    runs.reaching("a", "wmt", 10, study=0)
    runs.missing("a", "wmt", study=1)
    board = score(runs)
    assert seconds(board, "a", "wmt") is None
    assert board.entries[0].score == 0


def test_scores_ranks_and_denominator(runs):
    runs.reaching("fast", "wmt", 100)
    runs.reaching("slow", "wmt", 250)
    runs.reaching("slower", "wmt", 401)
    runs.reaching("slow", "ogbg", 7)
    board = score(runs)
    # Of 8 workloads: fast 1; slow (4 - 2.5) / 3 + 1; slower is beyond four times the fastest.
    assert {entry.submission: entry.score for entry in board.entries} == pytest.approx(
        {"slow": 1.5 / EIGHT, "fast": 1 / EIGHT, "slower": 0.0}
    )
    assert [entry.submission for entry in board.entries] == ["slow", "fast", "slower"]
    assert board.ranks() == [1, 2, 3]
    assert board.workloads == V06.scored
    assert seconds(board, "slower", "wmt") == 401  # what was measured is shown, though without credit
    assert outcomes(board, "wmt") == {"slow": "reached", "fast": "reached", "slower": "cut"}
    assert outcomes(board, "ogbg") == {"slow": "reached", "fast": "missing", "slower": "missing"}


def test_equal_times_share_credit_and_rank(runs):
    for name in ("b", "a"):
        runs.reaching(name, "wmt", 10)
    board = score(runs)
    assert [entry.submission for entry in board.entries] == ["a", "b"]
    assert board.ranks() == [1, 1]


def test_a_workload_nobody_reached_gives_no_credit_but_counts(runs):
    runs.missing("a", "wmt")
    runs.reaching("a", "ogbg", 5)
    assert score(runs, workloads=["wmt", "ogbg"]).entries[0].score == 0.5


def test_a_damaged_trial_is_reported_and_spoils_no_other(runs):
    runs.reaching("a", "wmt", 10, trial=1)
    runs.trial("a", "wmt", None, trial=2)
    header = runs.trial("a", "wmt", [], trial=3)
    column = runs.trial("a", "wmt", [(1, 99)], trial=4)
    file = column / "eval_measurements.csv"
    file.write_text(file.read_text().replace("validation/bleu", "validation/loss"))
    board = score(runs)
    assert seconds(board, "a", "wmt") == 10
    below = "a/study_0/wmt_jax"
    assert set(reasons(board.comparison.problems)) == {f"{below}/trial_{k}/eval_measurements.csv" for k in (2, 3, 4)}
    assert header.name == "trial_3"


def test_a_study_without_any_evaluation_does_not_exist_as_published(runs):
    runs.reaching("a", "wmt", 10, study=0)
    runs.trial("a", "wmt", None, study=1)
    board = score(runs)
    assert seconds(board, "a", "wmt") == 10
    assert [(m.workload, m.studies, m.expected) for m in board.comparison.missing if m.workload == "wmt"] == [
        ("wmt", 1, 3)
    ]


def test_a_submission_without_any_evaluation_is_listed_without_rank_and_score(runs):
    runs.trial("broken", "wmt", None)
    runs.reaching("a", "wmt", 10)
    board = score(runs)
    assert [entry.submission for entry in board.entries] == ["a"]
    (entry,) = board.unranked
    assert (entry.submission, entry.outcome) == ("broken", "missing")
    assert {cell.outcome for cell in entry.cells.values()} == {"missing"}
    content = to_json(board)
    assert (set(content["scores"]), content["unranked"], content["outcomes"]["broken"]["wmt"]) == (
        {"a"},
        ["broken"],
        "missing",
    )


def test_stray_folders_and_files_are_noted_and_ignored(runs):
    trial = runs.reaching("a", "wmt", 10)
    study = trial.parents[1]
    shutil.copytree(trial, study / "trial_1")
    shutil.copytree(trial, study / "unheard_of_jax" / "trial_1")
    shutil.copytree(trial, trial.parent / "trial_one")
    shutil.copytree(runs.root / "a", runs.root / ".hidden")
    (runs.root / ".cache").mkdir()
    (runs.root / "reports").mkdir()
    shutil.copytree(runs.root / "a", runs.root / "report")
    (runs.root / "logs").mkdir()
    (study / "wmt_jax.log").write_text("text")
    board = score(runs)
    assert [entry.submission for entry in board.entries] == ["a"]
    assert set(reasons(board.comparison.notes)) == {
        "a/study_0/trial_1",
        "a/study_0/unheard_of_jax",
        "a/study_0/wmt_jax/trial_one",
        ".hidden",
        "logs",
        "report",
    }
    assert board.comparison.problems == ()


def test_a_time_stamped_rerun_replaces_the_trial(runs):
    runs.reaching("a", "wmt", 10)
    runs.reaching("a", "wmt", 20, stamp="-2025-01-02-03-04-05")
    board = score(runs)
    assert seconds(board, "a", "wmt") == 20
    assert reasons(board.comparison.notes) == {
        "a/study_0/wmt_jax/trial_1": "replaced by the later run wmt_jax-2025-01-02-03-04-05"
    }


def test_both_frameworks_of_a_submission_are_entries_of_their_own(runs):
    runs.reaching("a", "digits", 10, framework="jax")
    runs.reaching("a", "digits", 20, framework="pytorch")
    assert set(to_json(score(runs))["scores"]) == {"a (jax)", "a (pytorch)"}


def test_self_tuning_takes_the_one_trial_and_reports_others(runs):
    runs.reaching("a", "wmt", 30, trial=1)
    runs.reaching("a", "wmt", 10, trial=2)
    board = score(runs, "self")
    assert seconds(board, "a", "wmt") == 30
    assert "self-tuning" in reasons(board.comparison.problems)["a/study_0/wmt_jax/trial_2"]


def test_scales_are_never_mixed(runs):
    runs.reaching("a", "mnist", 10)
    runs.reaching("b", "mnist", 2, status={"scale": "mini"})
    with pytest.raises(UserError, match=r"full \(1 trial\), mini \(1 trial\).*--scale"):
        score(runs)
    board = score(runs, scale="mini")
    assert board.comparison.scale == "mini"
    assert [entry.submission for entry in board.entries] == ["b"]
    assert reasons(board.comparison.notes) == {"a/study_0/mnist_jax/trial_1": "left out: its scale is full"}


def test_mini_runs_are_judged_by_the_mini_target(runs):
    mini, full = V06.limits("mnist", "mini"), V06.limits("mnist")
    assert mini.validation_target < full.validation_target
    runs.trial("a", "mnist", [(3.0, mini.validation_target)], status={"scale": "mini"})
    assert seconds(score(runs), "a", "mnist") == 3.0


def test_a_trial_with_a_damaged_status_is_left_out_for_its_scale_is_unknown(runs):
    runs.reaching("a", "digits", 10, trial=1)
    folder = runs.reaching("a", "digits", 1, trial=2)
    (folder / "status.json").write_text('{"scale": "mi')
    board = score(runs)
    assert seconds(board, "a", "digits") == 10
    assert "status.json" in reasons(board.comparison.problems)["a/study_0/digits_jax/trial_2"]


def test_development_workloads_are_scored_only_if_no_scored_one_is_there(runs):
    runs.reaching("a", "digits", 1)
    runs.reaching("a", "mnist", 2)
    board = score(runs)
    assert board.workloads == ("digits", "mnist")
    assert "development" in board.comparison.basis
    assert board.entries[0].score == 1
    assert board.comparison.missing == ()
    runs.reaching("b", "wmt", 3)
    board = score(runs)
    assert board.workloads == V06.scored
    assert [entry.submission for entry in board.entries] == ["b"]
    assert reasons(board.comparison.notes) == {"a": "left out: its runs are of digits, mnist only"}


def test_workloads_can_be_chosen(runs):
    runs.reaching("a", "fastmri_tanh", 1)
    assert score(runs, workloads=["fastmri_tanh"]).workloads == ("fastmri_tanh",)
    with pytest.raises(UserError, match="--workloads fastmri_tanh"):
        score(runs)
    with pytest.raises(UserError, match="Did you mean 'fastmri_tanh'"):
        score(runs, workloads=["fastmri_tan"])


def test_the_ruleset_is_found_in_the_files(runs):
    runs.reaching("a", "wmt", 1, status={"ruleset": "self"})
    assert score(runs, None).comparison.ruleset == "self"
    runs.reaching("b", "wmt", 1, status={"ruleset": "external"})
    with pytest.raises(
        UserError, match=r"external \(1 trial\), self \(1 trial\).*--ruleset external or --ruleset self"
    ):
        score(runs, None)


def test_hyperparameters_mean_external_tuning(runs):
    folder = runs.reaching("a", "wmt", 1)
    with pytest.raises(UserError, match="do not say"):
        score(runs, None)
    (folder / "hparams.json").write_text("{}")
    assert score(runs, None).comparison.ruleset == "external"


def test_versions_are_never_mixed(runs):
    runs.reaching("a", "wmt", 1, status={"version": "v1.0"})
    with pytest.raises(UserError, match=r"--version v1\.0"):
        score(runs)


def test_neither_directory_order_nor_working_directory_matter(runs, tmp_path: Path, monkeypatch):
    for name in ("c", "a", "b"):
        for study in (2, 0, 1):
            for trial in (2, 1):
                runs.reaching(name, "wmt", 10 * study + trial + 1, study=study, trial=trial)
    runs.trial("a", "ogbg", None)
    first = to_json(score(runs))
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path=".": sorted(listed(path), reverse=True))
    monkeypatch.chdir(tmp_path)
    relative = to_json(algoperf_scoring.score(Path("runs"), V06, "external"))
    assert relative == first


def test_a_locale_with_other_signs_changes_nothing(runs):
    runs.reaching("a", "wmt", 1234.5)
    code = (
        "import locale, sys, pathlib, algoperf_scoring as s; from algoperf.versions import load_version;"
        "locale.setlocale(locale.LC_ALL, ''); "
        "print(s.score(pathlib.Path(sys.argv[1]), load_version(), 'external').entries[0].cells['wmt'].seconds)"
    )
    for name in ("C", "C.UTF-8", "POSIX"):
        environment = {**os.environ, "LC_ALL": name, "LANG": name}
        done = subprocess.run(
            [sys.executable, "-c", code, runs.root], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == "1234.5\n"


def test_the_rule_behind_published_tables_takes_the_trial_with_fewest_evaluations(runs):
    target = V06.limits("wmt").validation_target
    runs.trial("a", "wmt", [(10, 0), (20, 0), (30, target)], trial=1)
    runs.trial("a", "wmt", [(45, 0), (60, target)], trial=2)
    assert seconds(score(runs), "a", "wmt") == 30
    assert seconds(score(runs, rule=algoperf_scoring.AS_PUBLISHED), "a", "wmt") == 60


def test_v10_has_nine_workloads_of_which_one_has_no_test_split(runs):
    """In the board, on the command line and in the report."""
    runs.version = load_version("v1.0")
    for name, seconds_to_target in (("fast", 100), ("slow", 250)):
        runs.reaching(name, "finewebedu_lm", seconds_to_target)
    runs.reaching("slow", "wmt", 10)
    board = algoperf_scoring.score(runs.root, runs.version, "external")
    assert board.workloads == runs.version.scored
    assert len(board.workloads) == 9
    assert outcomes(board, "finewebedu_lm") == {"fast": "reached", "slow": "reached"}
    assert {entry.submission: entry.score for entry in board.entries} == pytest.approx({"slow": 1.5 / 9, "fast": 1 / 9})
    arguments = [str(runs.root), "--version", "v1.0", "--ruleset", "external"]
    printed = CliRunner().invoke(score_command, arguments, catch_exceptions=False)
    assert "2/9" in printed.output
    assert CliRunner().invoke(report_command, arguments, catch_exceptions=False).exit_code == 0
    page = (runs.root / "report" / "report.html").read_text()
    assert all(name in page for name in runs.version.scored)


def test_held_out_variants_decide_under_v05_only(runs):
    v05 = load_version("v0.5")
    for name, variant in (("safe", 50.0), ("unsafe", None)):
        runs.reaching(name, "wmt", 10 if variant is None else 30)
        if variant is not None:
            runs.reaching(name, "wmt_glu_tanh", variant)
    board = algoperf_scoring.score(runs.root, v05, "external")
    assert board.held_out[0] == "criteo1tb_embed_init"
    assert outcomes(board, "wmt") == {"safe": "reached", "unsafe": "held-out failed"}
    assert [entry.score for entry in board.entries] == [0.125, 0.0]
    assert seconds(board, "unsafe", "wmt") == 10
    without = algoperf_scoring.score(runs.root, v05, "external", rule=ScoringRule(held_out=False))
    assert [entry.submission for entry in without.entries] == ["unsafe", "safe"]
    assert score(runs).held_out == ()
    assert outcomes(score(runs), "wmt") == {"safe": "reached", "unsafe": "reached"}


def test_one_submission_is_compared_with_those_of_another_folder(runs, tmp_path: Path):
    others = type(runs)(tmp_path / "others")
    runs.reaching("mine", "wmt", 10)
    runs.reaching("unrelated", "wmt", 1)
    others.reaching("mine", "wmt", 5)
    bad = others.reaching("known", "wmt", 20)
    with (bad / "eval_measurements.csv").open("a") as file:
        file.write("torn")
    board = algoperf_scoring.score(algoperf_scoring.sources(runs.root, "mine", others.root), V06, "external")
    assert {entry.submission: entry.cells["wmt"].seconds for entry in board.entries} == {"mine": 10, "known": 20}
    assert set(reasons(board.comparison.problems)) == {"others/known/study_0/wmt_jax/trial_1/eval_measurements.csv"}
    with pytest.raises(UserError, match="not a folder"):
        algoperf_scoring.score(algoperf_scoring.sources(runs.root, "mine", tmp_path / "none"), V06, "external")
    with pytest.raises(UserError, match="--submission NAME"):
        algoperf_scoring.sources(runs.root, None, others.root)
    with pytest.raises(UserError, match=r"Did you mean 'mine'\?.*Train it first"):
        algoperf_scoring.score(algoperf_scoring.sources(runs.root, "mime", others.root), V06, "external")


def test_it_is_compared_on_the_workloads_that_it_has_runs_of(runs, tmp_path: Path):
    others = type(runs)(tmp_path / "others")
    runs.reaching("mine", "mnist", 10)
    others.reaching("known", "mnist", 20)
    others.reaching("known", "digits", 20)
    others.reaching("known", "wmt", 20)
    board = algoperf_scoring.score(algoperf_scoring.sources(runs.root, "mine", others.root), V06, "external")
    assert board.workloads == ("mnist",)
    assert {entry.submission for entry in board.entries} == {"mine", "known"}


def test_a_bad_file_never_changes_another_trials_value(runs):
    """The values of all trials but one stay bit for bit whatever becomes of that one."""
    for study in range(3):
        for trial in (1, 2):
            runs.reaching("a", "wmt", 10 + study + 0.1 * trial, study=study, trial=trial)
            runs.reaching("b", "wmt", 20 + study + 0.1 * trial, study=study, trial=trial)
    victim = runs.root / "a/study_1/wmt_jax/trial_2/eval_measurements.csv"
    whole = victim.read_bytes()
    before = to_json(score(runs))["study_times"]
    for damage in (
        b"",
        whole[:30],
        whole[:-7],
        b"global_step\n1\n",
        whole.replace(b"validation", b"test"),
        b"\xff\x00,\n",
    ):
        victim.write_bytes(damage)
        assert to_json(score(runs))["study_times"] == before  # trial 1 of the study is faster
    shutil.rmtree(victim.parent)
    assert to_json(score(runs))["study_times"] == before
