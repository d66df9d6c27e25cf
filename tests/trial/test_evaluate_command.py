"""`algoperf evaluate`: metrics from checkpoints, beside the recorded ones."""

import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from algoperf.cli import main
from algoperf.versions import load_version
from algoperf_scoring.health import check_runs
from trial_runs import Run

FRAMEWORKS = ["jax", "pytorch"]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def trained(request, tmp_path_factory, repository, data_root):
    """A trained trial whose submission is gone."""
    root = tmp_path_factory.mktemp(f"trained_{request.param}")
    folder = root / "submissions" / "own_name"
    shutil.copytree(repository / "submissions" / "baselines" / f"nadamw_{request.param}", folder)
    options = {"max_global_steps": 40, "eval_every_steps": 20, "checkpoints": "all"}
    run = Run(folder, request.param, data_root, root / "runs", options)
    assert run.here() == 0
    shutil.rmtree(folder)
    for name in [name for name in sys.modules if name.startswith("algoperf_submission")]:
        del sys.modules[name]
    return run


@pytest.fixture
def evaluated(trained, tmp_path):
    shutil.copytree(trained.output, tmp_path / "runs")
    return Run(trained.submission, trained.framework, trained.data_root, tmp_path / "runs", trained.options)


def results(run: Run) -> list[dict]:
    content = json.loads((run.trial / "evaluation.json").read_text())
    return sorted(content["checkpoints"], key=lambda result: result["global_step"])


def test_evaluation_is_repeated_exactly_without_the_submission(evaluated):
    assert evaluated.evaluate_here("--tolerance", "0") == 0
    found = results(evaluated)
    assert [result["global_step"] for result in found] == [20, 40]
    for result, row in zip(found, evaluated.rows, strict=True):
        assert len(result["recomputed"]) == 8
        assert result["recomputed"] == {name: float(row[name]) for name in result["recomputed"]}
        assert set(result["differences"].values()) == {0}
        assert result["mismatches"] == []
    assert not [name for name in sys.modules if name.startswith("algoperf_submission")]


def test_a_changed_row_is_found(evaluated, capsys):
    file = evaluated.trial / "eval_measurements.csv"
    row = evaluated.rows[1]
    file.write_text(file.read_text().replace(row["validation/loss"], str(float(row["validation/loss"]) * 1.01)))
    assert evaluated.evaluate_here() == 6
    error = capsys.readouterr().err
    assert "Recomputed and recorded metrics differ:\n" in error
    assert "checkpoint_40: validation/loss" in error
    assert error.count("checkpoint_") == 1
    assert [result["mismatches"] for result in results(evaluated)] == [[], ["validation/loss"]]
    assert evaluated.evaluate_here("--tolerance", "0.1") == 0


def test_a_changed_checkpoint_is_found(evaluated, capsys):
    file = evaluated.trial / "checkpoint_20" / "model.safetensors"
    arrays = load_file(file)
    name = max(arrays, key=lambda name: arrays[name].size)
    arrays[name] = arrays[name] + np.float32(0.5)
    save_file(arrays, file)
    assert evaluated.evaluate_here() == 6
    error = capsys.readouterr().err
    for split in ("train", "validation", "test"):
        assert f"checkpoint_20: {split}/loss" in error
    assert "checkpoint_40" not in error


def test_a_removed_row_is_found(evaluated, capsys):
    file = evaluated.trial / "eval_measurements.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert evaluated.evaluate_here() == 6
    assert "checkpoint_40: eval_measurements.csv lacks the row of this step" in capsys.readouterr().err


def test_trials_that_were_moved_aside_are_not_evaluated(evaluated):
    aside = evaluated.trial.with_name(".trial_1.replaced-x")
    shutil.copytree(evaluated.trial, aside)
    (aside / "checkpoint_40" / "model.json").write_text("{}")
    assert evaluated.evaluate_here() == 0
    assert not (aside / "evaluation.json").exists()


def evaluate_all(run: Run) -> int:
    """The exit code of `algoperf evaluate` for all workloads."""
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data-dir", str(run.data_root), "--output-dir", str(run.output)])
    return int(end.value.code or 0)


def test_a_checkpoint_that_cannot_be_read_keeps_no_other_from_evaluation(evaluated, capsys):
    second = evaluated.trial.parents[1].with_name("study_2") / evaluated.trial.parent.name / "trial_1"
    shutil.copytree(evaluated.trial, second)
    (evaluated.trial / "checkpoint_20" / "manifest.json").write_text("{")
    (second / "checkpoint_20" / "manifest.json").write_text('{"format": 1}')
    arrays = second / "checkpoint_40" / "model.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:100])
    assert evaluate_all(evaluated) == 1
    output, error = capsys.readouterr()
    assert output.endswith("\n1 of 4 checkpoints agree with the records, 3 could not be evaluated.\n")
    assert output.count("NOT EVALUATED: ") == 3
    assert "3 checkpoints could not be evaluated:\n" in error
    found = json.loads((evaluated.trial / "evaluation.json").read_text())["checkpoints"]
    assert [one.get("mismatches") for one in found] == [None, []]
    assert "damaged" in found[0]["error"]
    health = check_runs(evaluated.output, load_version(), "self")
    (summary,) = (check for check in health.checks if check.id == "evaluated-again")
    assert summary.counts["fail"] == 2
    assert "checkpoint_20 could not be evaluated" in summary.outcomes[0].evidence


def test_all_workloads_are_evaluated_in_one_call_and_what_is_missing_is_said(evaluated, capsys):
    assert evaluate_all(evaluated) == 0
    assert capsys.readouterr().out.endswith("\n2 of 2 checkpoints agree with the records.\n")
    other = evaluated.trial.parents[1] / evaluated.trial.parent.name.replace("digits", "mnist") / "trial_1"
    shutil.copytree(evaluated.trial, other)
    for file in other.glob("checkpoint_*/manifest.json"):
        file.write_text(file.read_text().replace('"workload": "digits"', '"workload": "mnist"'))
    (other / "evaluation.json").unlink()
    assert evaluate_all(evaluated) == 5
    assert "2 of 4 checkpoints agree with the records, 2 could not be evaluated." in capsys.readouterr().out
    assert not (other / "evaluation.json").exists()  # nothing is wrong with the checkpoints
