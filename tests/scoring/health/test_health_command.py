"""`algoperf check-runs`, and a real run of this harness."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from algoperf import cli
from algoperf.commands.check_runs import check_runs as command
from algoperf.commands.scoring_options import load_version_with_cubes
from algoperf.errors import ChecksFailed
from algoperf.tuning.search_space import load_search_space
from algoperf_scoring.health import check_runs
from health_runs import found, summary
from places import REPOSITORY
from trial_runs import Run


def check(folder, *arguments):
    """Exit code as a process has it, output, and what goes to the error stream."""
    result = CliRunner().invoke(command, [str(folder.root), *map(str, arguments)])
    if isinstance(result.exception, ChecksFailed):
        return result.exception.exit_code, result.output, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output, ""


def test_exit_codes(folder):
    folder.run()
    assert check(folder)[0] == 0
    folder.run(lambda records: records.status.update(max_global_steps=400), study=2)
    code, output, _ = check(folder)
    assert code == 0
    assert "PASSED with warnings: 2 runs of 1 submission under v0.6; no check failed, 1 warn." in output
    code, _, message = check(folder, "--strict")
    assert (code, message) == (8, "1 of 34 checks did not pass: official-settings")
    folder.run(lambda records: records.status.update(dataset={"hash": "d2"}), study=3)
    code, output, message = check(folder)
    assert (code, message) == (8, "1 of 34 checks did not pass: dataset-hash")
    assert output.index("FAILED: dataset-hash") < output.index("Warning: official-settings")
    assert CliRunner().invoke(command, [str(folder.root), "--ruleset", "no"]).exit_code == 2


def test_the_process_exits_with_the_code(folder, capsys):
    folder.run(lambda records: records.status.update(budget_sec=1))
    with pytest.raises(SystemExit) as end:
        cli.main(["check-runs", str(folder.root)])
    assert end.value.code == 8
    assert "error: 1 of 34 checks did not pass: limits" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(["check-runs", str(folder.root / "mine")])
    assert end.value.code == 2


def test_the_output_is_cut_and_all_shows_everything(folder):
    for study in range(1, 15):
        folder.run(lambda records: records.status.update(max_global_steps=400), study=study)
    _, output, _ = check(folder)
    assert output.count("max_global_steps was 400") == 10
    assert "... and 4 more; --all or --json for all" in output
    assert check(folder, "--all")[1].count("max_global_steps was 400") == 14


def test_json_has_everything(folder, tmp_path):
    folder.run()
    folder.run(lambda records: records.status.update(max_global_steps=400, trial_seed=None), study=2)
    check(folder, "--json", tmp_path / "checks.json")
    content = json.loads((tmp_path / "checks.json").read_text())
    assert (content["level"], content["version"], content["num_runs"]) == ("warn", "v0.6", 2)
    assert content["submissions"] == ["mine"]
    assert len(content["checks"]) == 34
    by_id = {one["id"]: one for one in content["checks"]}
    assert by_id["official-settings"] == {
        "id": "official-settings",
        "description": "no option was used that official runs do not have",
        "scope": "run",
        "level": "warn",
        "counts": {"fail": 0, "warn": 1, "pass": 1, "not_checked": 0},
        "outcomes": [
            {
                "path": "mine/study_2/mnist_jax/trial_1",
                "level": "warn",
                "evidence": "max_global_steps was 400",
                "num_runs": 1,
            }
        ],
        "not_checked": {},
    }
    assert by_id["dataset-hash"]["scope"] == "comparison"
    assert content == folder.check().to_json()


def test_every_check_is_documented(folder, repository):
    folder.run()
    rows = [line for line in (repository / "docs" / "checks.md").read_text().split("\n") if line.startswith("| `")]
    documented = [name for name in (row.split("`")[1] for row in rows) if not name.startswith("-")]
    assert documented == [one.id for one in folder.check().checks]


def test_a_run_of_this_harness_passes_and_one_made_otherwise_is_told(tmp_path, repository, data_root):
    submission = repository / "submissions" / "baselines" / "nadamw_pytorch"
    options = {"ruleset": "external", "max_global_steps": None, "eval_every_steps": None}
    run = Run(submission, "pytorch", data_root, tmp_path / "runs", options)
    assert run.here() == 0
    assert run.evaluate_here() == 0
    space = load_search_space(submission / "tuning_search_space.json")
    assert json.loads((run.trial / "flags_0.json").read_text())["search_space"] == space
    assert "search_space" not in run.status["identity"]

    class Made:
        root = run.output

    file = tmp_path / "checks.json"
    code, output, _ = check(Made, "--json", file)
    assert code == 0, output
    content = json.loads(file.read_text())
    # What else ran on the machine is not up to this test.
    not_passed = {one["id"]: one["level"] for one in content["checks"] if one["level"] != "pass"}
    assert not_passed.keys() <= {"complete", "machine", "not-stopped", "referee"}, (
        not_passed
    )  # a run in this process has no parent
    code, output, _ = check(Made, "--version", "v0.5")
    assert code == 8
    assert "run under v0.6, checked under v0.5" in output


def test_summaries_of_a_sound_folder(folder):
    folder.run()
    assert found(folder.check()) == {}
    assert summary(folder.check(), "files").scope == "run"


@pytest.mark.parametrize("folder", sorted((REPOSITORY / "scoring" / "baselines").glob("*/*/*")), ids=str)
def test_the_recorded_baselines_pass(folder):
    version, ruleset, scale = folder.parts[-3:]
    health = check_runs(folder, load_version_with_cubes(version), ruleset, scale=scale)
    assert (health.num_runs > 0, health.num_left_out) == (True, 0)
    assert [check.id for check in health.checks if check.level == "fail"] == []
