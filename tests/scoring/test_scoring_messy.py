"""Irregular runs: those of `messy.tar.xz` and more. Each is reported by path; none touches another."""

from __future__ import annotations

import math
import tarfile
from pathlib import Path

import numpy as np
import pytest

import algoperf_scoring
from algoperf.versions import load_version
from algoperf_scoring import Leaderboard
from places import GOLDENS

ARCHIVE = GOLDENS / "logs" / "messy.tar.xz"


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("messy")
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
    return folder / "messy"


def score(folder: Path, version: str, ruleset: str = "external") -> Leaderboard:
    return algoperf_scoring.score(folder, load_version(version), ruleset)


def problems(board: Leaderboard) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in board.comparison.problems:
        found.setdefault(finding.path, set()).add(finding.reason)
    return found


def test_made_up_files_are_read_as_far_as_they_go(messy: Path):
    board = score(messy / "synthetic", "v0.5")
    cell = board.entries[0].cells["fastmri"]
    # Study 0: the only hit at 180. Study 1: trial 10 reached it at 10, a repeated row is no matter.
    # Study 2: trial 1 has no number from its second row on, trial 2 equals the target at 90.
    target = load_version("v0.5").limits("fastmri").validation_target
    assert target == 0.723653
    assert cell.studies == {0: 180.0, 1: 10.0, 2: 90.0}
    assert cell.seconds == 90.0
    found = problems(board)
    below = "sub/study_0/fastmri_jax"
    assert found[f"{below}/trial_2/eval_measurements.csv"] == {"is empty"}
    assert found[f"{below}/trial_3/eval_measurements.csv"] == {"has no evaluation, only a header"}
    assert found[f"{below}/trial_4/eval_measurements.csv"] == {"has no column validation/ssim"}
    assert found[f"{below}/trial_5/eval_measurements.csv"] == {
        "line 3: row ignored: it is torn, the file ends within it"
    }
    assert found["sub/study_2/fastmri_jax/trial_1/eval_measurements.csv"] == {
        "line 3 and 1 more: no number in column validation/ssim"
    }
    assert len(found) == 5


def test_a_trial_directory_beside_workloads_is_no_workload(messy: Path):
    board = score(messy / "v05_external", "v0.5")
    notes = {finding.path: finding.reason for finding in board.comparison.notes}
    assert "ignored: expected a folder <workload>" in notes["schedule_free_adamw/study_2/trial_2"]
    entry = next(entry for entry in board.entries if entry.submission == "schedule_free_adamw")
    assert entry.cells["librispeech_conformer"].num_studies == 1


def test_workloads_without_any_evaluation_are_missing(messy: Path):
    board = score(messy / "v05_external", "v0.5")
    cells = {entry.submission: entry.cells for entry in board.shown}
    assert cells["caspr_adaptive"]["criteo1tb"].outcome == "missing"
    assert cells["caspr_adaptive"]["imagenet_resnet"].outcome == "not reached"
    assert cells["schedule_free_prodigy"]["criteo1tb"].outcome == "missing"


def test_ties_in_the_row_index_are_decided_by_time(messy: Path):
    """Trials 5 and 2 both reached the target at row 7, after 640.8 and 841.2 seconds."""
    comparison = algoperf_scoring.read_comparison(
        algoperf_scoring.sources(messy / "v06_external"), load_version("v0.6"), "external"
    )
    for rule in (algoperf_scoring.DOCUMENTED, algoperf_scoring.AS_PUBLISHED):
        board = algoperf_scoring.rank(comparison, rule)
        assert math.isclose(board.entries[0].cells["fastmri"].seconds, 640.8, abs_tol=0.05)


def test_an_even_number_of_studies_takes_the_mean_of_the_middle_two(messy: Path):
    name = "librispeech_conformer_layernorm"
    board = algoperf_scoring.score(messy / "v05_self", load_version("v0.5"), "self", workloads=[name])
    cell = board.entries[0].cells[name]
    assert len(cell.studies) == 4
    assert cell.seconds == float(np.median(list(cell.studies.values())))


def test_one_bad_folder_stops_nothing(runs, tmp_path: Path):
    runs.reaching("a", "wmt", 10)
    outside = runs.root / "b" / "study_0" / "wmt_jax"
    outside.mkdir(parents=True)
    (outside / "trial_1").write_text("a file, no folder")
    (outside / "trial_2").symlink_to(tmp_path / "nowhere")
    (outside / "trial_3" / "eval_measurements.csv").mkdir(parents=True)
    (outside / "trial_04").mkdir()
    board = score(runs.root, "v0.6")
    assert [[entry.submission for entry in part] for part in (board.entries, board.unranked)] == [["a"], ["b"]]
    found = problems(board)
    assert found == {"b/study_0/wmt_jax/trial_3/eval_measurements.csv": {"cannot be read: Is a directory"}}
    assert any(note.path.endswith("trial_04") for note in board.comparison.notes)


def test_a_trial_whose_file_lacks_a_column_does_not_inherit_another_trials_values(runs):
    runs.reaching("a", "wmt", 10, trial=1, study=0)
    folder = runs.reaching("a", "wmt", 5, trial=2, study=0)
    file = folder / "eval_measurements.csv"
    file.write_text(file.read_text().replace("validation/bleu", "validation/other"))
    assert score(runs.root, "v0.6").entries[0].cells["wmt"].studies == {0: 10.0}


def test_header_names_may_come_with_a_byte_order_mark_and_windows_line_ends(runs):
    folder = runs.reaching("a", "wmt", 10)
    file = folder / "eval_measurements.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    board = score(runs.root, "v0.6")
    assert board.entries[0].cells["wmt"].seconds == 10
    assert problems(board) == {}


def test_a_breach_of_the_rules_has_no_time_to_target(runs):
    """Whatever its evaluations say, and while the submission's other studies stay what they are."""
    breach = {"status": "rule_breach", "finished": False}
    for study in range(3):
        runs.reaching("honest", "ogbg", 20.0, study=study)
        runs.reaching("cheat", "ogbg", 5.0, study=study, status=breach if study == 1 else None)
    board = algoperf_scoring.score(runs.root, load_version(), "external", workloads=["ogbg"])
    cells = {entry.submission: entry.cells["ogbg"].studies for entry in board.entries}
    assert cells == {"honest": dict.fromkeys(range(3), 20.0), "cheat": {0: 5.0, 1: math.inf, 2: 5.0}}
    (reasons,) = (reasons for path, reasons in problems(board).items() if "cheat/study_1" in path)
    assert reasons == {"its evaluations do not count: the submission broke the rules"}
