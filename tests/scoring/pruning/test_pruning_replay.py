"""Replays of the logs of the v0.5 competition, as a function and as a command."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from algoperf.cli import main
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import read_comparison, sources
from algoperf_scoring.pruning.replay_logs import replay_logs
from algoperf_scoring.pruning.report import to_json
from places import GOLDENS, SHARED_LOGS


def unpacked(archive: Path, folder: Path) -> Path:
    if not archive.is_file():
        pytest.skip("the whole competition logs are not at hand")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def comparison(logs: Path, ruleset: str, **options):
    return read_comparison(sources(logs), load_version("v0.5"), ruleset, **options)


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> Path:
    return unpacked(GOLDENS / "logs" / "v05_self.tar.xz", tmp_path_factory.mktemp("extract"))


@pytest.mark.parametrize("at_once", [1, 3])
def test_exact_pruning_of_an_extract_changes_no_score(extract, at_once):
    found = replay_logs(comparison(extract, "self"), at_once=at_once)
    assert found.are_scores_equal
    assert to_json(found)["hours"]["ratio"] > 1.4
    assert to_json(found)["wrongly_stopped"]["num_runs"] == 0


@pytest.mark.parametrize(
    ("name", "ruleset", "least_exact", "least_futility", "most_wrong"),
    [
        ("v05_self", "self", 1.9, 2.1, 0.05),
        pytest.param("v05_external", "external", 1.6, 2.0, 0.05, marks=pytest.mark.full),
    ],
)
def test_whole_competitions(tmp_path, name, ruleset, least_exact, least_futility, most_wrong):
    """Exact: equal scores. Futility: each submission is judged by the others, and few runs are stopped wrongly."""
    read = comparison(unpacked(SHARED_LOGS / f"{name}.tar.xz", tmp_path), ruleset)
    exact, futility = replay_logs(read), replay_logs(read, error=0.05)
    assert exact.are_scores_equal
    assert to_json(exact)["hours"]["ratio"] > least_exact
    found = to_json(futility)
    assert found["hours"]["ratio"] > least_futility
    assert 0 < found["wrongly_stopped"]["num_runs"] <= most_wrong * found["wrongly_stopped"]["of"]


def test_the_command_prints_hours_and_scores(extract, tmp_path, capsys):
    file = tmp_path / "replay.json"
    command = ["campaign", "replay", str(extract), "--version", "v0.5", "--ruleset", "self", "--json", str(file)]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    shown, written = capsys.readouterr().out, json.loads(file.read_text())
    hours = written["hours"]
    assert f"{hours['pruned']:,.0f} hours instead of {hours['recorded']:,.0f}" in " ".join(shown.split())
    assert "All scores are equal, to the last bit." in shown
    assert "Wrongly" not in shown
    assert (written["prune"], written["error"], written["are_scores_equal"]) == ("exact", None, True)
    assert sum(rule["hours_saved"] for rule in written["rules"].values()) == pytest.approx(hours["saved"])
    for part in ("hours_by_workload", "hours_by_submission"):
        assert sum(one["pruned"] for one in written[part].values()) == pytest.approx(hours["pruned"])


def test_the_command_counts_wrong_stops(extract, capsys):
    with pytest.raises(SystemExit):
        main(["campaign", "replay", str(extract), "--version", "v0.5", "--ruleset", "self", "--prune", "futility"])
    assert "runs that reach the target early enough to count (allowed: 5%)" in " ".join(capsys.readouterr().out.split())


def test_an_error_is_for_futility_only(extract, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["campaign", "replay", str(extract), "--error", "0.1"])
    assert ended.value.code == 2
    assert "--error is for --prune futility" in capsys.readouterr().err


def test_runs_that_were_pruned_cannot_be_replayed(runs):
    runs.reaching("a", "wmt", 100, status={"status": "pruned", "finished": True, "ruleset": "self"})
    read = read_comparison(sources(runs.root), runs.version)
    with pytest.raises(UserError, match="1 of these runs were pruned already"):
        replay_logs(read)


def test_runs_without_a_result_cannot_be_replayed(runs):
    runs.trial("a", "wmt", None, status={"status": "running", "finished": False, "ruleset": "self"})
    with pytest.raises(UserError, match="nothing to replay"):
        replay_logs(read_comparison(sources(runs.root), runs.version))
