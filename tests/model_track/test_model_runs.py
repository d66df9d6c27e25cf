"""A submitted model is trained, resumed, recorded, and evaluated again apart from the labels."""

from __future__ import annotations

import json
import shutil

import pytest

from algoperf.cli import main
from places import BASELINES, SUPPORT
from trial_runs import Run, content

MODELS = SUPPORT / "models"
FRAMEWORKS = ["jax", "pytorch"]
NUM_PARAMETERS = 64 * 64 + 64 + 2 * 64 + 64 * 10 + 10  # of two_layers: dense, batch normalisation, dense


def run_of(model, framework, data_root, output, **options) -> Run:
    entry = {"submission": None, "model": model, "ruleset": None}
    return Run(model, framework, data_root, output, {**entry, "max_global_steps": 20, **options})


def evaluate(run: Run, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data-dir", str(run.data_root), "--output-dir", str(run.output), *arguments])
    return end.value.code or 0


def checkpoints(run: Run) -> list[dict]:
    return json.loads((run.trial / "evaluation.json").read_text())["checkpoints"]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def trained(request, tmp_path_factory, data_root) -> Run:
    """20 steps of two_layers on digits, with both checkpoints."""
    root = tmp_path_factory.mktemp(f"models_{request.param}")
    shutil.copytree(MODELS / "two_layers", root / "two_layers")
    run = run_of(root / "two_layers", request.param, data_root, root / "runs", checkpoints="all")
    assert run.here() == 0
    return run


def test_track_and_model_are_recorded(trained):
    status = trained.status
    assert (status["track"], status["ruleset"], status["submission"]) == ("model", "self", "two_layers")
    assert status["model"] == {"num_parameters": NUM_PARAMETERS}
    assert status["memory"]["host_peak_bytes"] > 10e6
    flags = json.loads((trained.trial / "flags_0.json").read_text())
    assert flags["track"] == "model"
    file = {"jax": "model_jax.py", "pytorch": "model_torch.py"}[trained.framework]
    code = {name for name in status["identity"] if name.startswith(("model file", "submission file"))}
    assert code == {f"model file {file}", "model file layers.py", "submission file submission.py"}


def test_it_is_resumed_bit_by_bit(trained, tmp_path):
    resumed = Run(trained.submission, trained.framework, trained.data_root, tmp_path / "runs", trained.options)
    shutil.copytree(trained.output, resumed.output)
    shutil.rmtree(resumed.trial / "checkpoint_20")
    (resumed.trial / "status.json").unlink()
    assert resumed.here() == 0
    assert resumed.status["preemption_count"] == 1
    assert content(resumed.trial / "checkpoint_20") == content(trained.trial / "checkpoint_20")


def test_it_is_evaluated_again_with_its_code_only(trained, tmp_path, capsys):
    run = Run(trained.submission, trained.framework, trained.data_root, tmp_path / "runs", trained.options)
    shutil.copytree(trained.output, run.output)
    assert evaluate(run) == 2
    assert "of the submitted model two_layers: without its code it cannot be rebuilt" in capsys.readouterr().err
    assert evaluate(run, "--model", str(run.submission)) == 0
    assert [(one["global_step"], one["mismatches"]) for one in checkpoints(run)] == [(10, []), (20, [])]
    changed = tmp_path / "two_layers"
    shutil.copytree(run.submission, changed)
    (changed / "layers.py").write_text("WIDTH = 64  # other code\n")
    assert evaluate(run, "--model", str(changed)) == 2
    assert "was trained with other code" in capsys.readouterr().err


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_time_to_target_is_verified_apart_from_the_labels(framework, data_root, tmp_path):
    """The whole command, with the parent of the trial."""
    run = run_of(MODELS / "two_layers", framework, data_root, tmp_path, max_global_steps=None, eval_every_steps=20)
    code, output = run.finish()
    assert (code, run.status["status"]) == (0, "target_reached"), output
    assert "again, in a process that has no labels" in output
    assert "1 of 1 checkpoint agrees" in output


def test_a_model_that_finds_the_labels_is_not_verified(data_root, tmp_path):
    run = run_of(MODELS / "peeking", "pytorch", data_root, tmp_path, max_global_steps=None)
    code, output = run.finish()
    assert code == 6, output
    assert "0 of 1 checkpoint agrees" in output
    assert "validation/accuracy" in checkpoints(run)[0]["mismatches"]


def test_the_published_model_is_the_reference(data_root, tmp_path):
    run = run_of(tmp_path / "published", "pytorch", data_root, tmp_path, max_global_steps=2)
    assert run.here(model="published") == 0
    assert (run.status["track"], run.status["submission"]) == ("model", "published")
    assert "model file" not in "".join(run.status["identity"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def make(task): ...", "does not define build. It defines: make."),
        ("def build(task):\n    return 3", "returned int. Allowed: a torch.nn.Module."),
        ("def build(task):\n    raise ValueError('no such task')", "ValueError: no such task"),
        ("import nothing_like_it\ndef build(task): ...", "cannot be imported"),
    ],
)
def test_code_that_builds_no_model_is_refused(data_root, tmp_path, capsys, code, message):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "model_torch.py").write_text(code)
    assert run_of(folder, "pytorch", data_root, tmp_path / "runs").here() in (2, 3)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ruleset": "external"}, "The model track has no search spaces"),
        ({"submission": "submissions/template"}, "--model and --submission are for different tracks"),
        ({"model": MODELS / "two_layer"}, "Did you mean"),
        ({"model": SUPPORT}, "has no model_jax.py or model_torch.py. It holds:"),
        ({"model": BASELINES / "lamb_jax"}, f"a training algorithm. Give it as --submission {BASELINES / 'lamb_jax'}"),
        (
            {"model": None, "submission": MODELS / "peeking", "ruleset": "self"},
            f"this is a model. Give it as --model {MODELS / 'peeking'}.",
        ),
        ({"workload": "ogbg_gelu"}, "is a variant of the model of ogbg"),
        ({"model": MODELS / "peeking", "framework": "jax"}, "has no model_jax.py: it is written for PyTorch"),
        ({"model": "published", "framework": None}, "Say --framework jax or --framework pytorch."),
        ({"model": None}, "Missing option '--submission'"),
    ],
)
def test_what_does_not_go_together_is_refused(data_root, tmp_path, capsys, options, message):
    run = run_of(MODELS / "two_layers", "pytorch", data_root, tmp_path / "runs")
    assert run.here(**options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
