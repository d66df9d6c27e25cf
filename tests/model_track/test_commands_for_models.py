"""`algoperf smoke`, `algoperf compare` and the Python interface take models."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import algoperf
from algoperf import sequence
from algoperf.cli import cli
from algoperf.errors import UserError
from places import BASELINES, SUPPORT

TWO_LAYERS = SUPPORT / "models" / "two_layers"
FOR_DIGITS = """
from torch import nn

def build(task):
    if task.name != "digits":
        raise ValueError("digits alone")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.num_outputs))
"""


def smoke(tmp_path, data_root, *arguments: str):
    folders = ["--raw-dir", tmp_path / "raw", "--data-dir", data_root, "--output-dir", tmp_path / "output"]
    folders = list(map(str, folders))
    return CliRunner().invoke(cli, ["smoke", "--framework", "pytorch", *folders, *arguments])


def test_smoke_does_not_ask_a_model_for_data_sets_that_it_is_not_made_for(tmp_path, data_root):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model_torch.py").write_text(FOR_DIGITS)
    done = smoke(tmp_path, data_root, "--model", str(tmp_path / "mine"), "--workloads", "mnist")
    assert done.stdout.splitlines()[-2:] == ["mnist  the model is not made for it", "0 of 0 targets reached."]
    assert done.exit_code == 1


@pytest.mark.parametrize("others", [["--submission", str(BASELINES / "momentum_pytorch")], ["--ruleset", "external"]])
def test_smoke_takes_models_alone(tmp_path, data_root, others):
    done = smoke(tmp_path, data_root, "--model", str(TWO_LAYERS), *others)
    assert isinstance(done.exception, UserError)
    assert "--model goes with neither" in str(done.exception)


def test_a_model_is_compared_with_the_published_one_or_another(data_root, tmp_path, monkeypatch):
    plans = []

    def run(trials, place, edits):
        del place, edits
        plans.append([(trial.settings.submission, trial.settings.framework) for trial in trials])
        return sequence.Outcome(dict.fromkeys((trial.title for trial in trials), 0))

    monkeypatch.setattr(sequence, "run", run)
    arguments = ["compare", "--model", str(TWO_LAYERS), "--workloads", "digits", "--studies", "1",
                 "--data-dir", str(data_root), "--output-dir", str(tmp_path)]  # fmt: skip
    done = CliRunner().invoke(cli, [*arguments, "--framework", "jax"])
    assert done.exit_code == 0, done.output
    other = SUPPORT / "models" / "peeking"
    assert CliRunner().invoke(cli, [*arguments, "--framework", "jax", "--with", str(other)]).exit_code == 0
    assert plans == [
        [("two_layers", "jax"), ("published", "jax")],
        [("two_layers", "jax"), ("peeking", "pytorch")],
    ]
    refused = CliRunner().invoke(cli, [*arguments, "--framework", "jax", "--with", "nadamw"])
    assert "The model nadamw does not exist" in str(refused.exception)


def test_a_model_is_trained_from_python(data_root, tmp_path):
    run = algoperf.train(
        model=TWO_LAYERS, workload="digits", framework="pytorch", data_dir=data_root, output_dir=tmp_path,
        max_global_steps=2, share=True, show=False,
    )  # fmt: skip
    assert (run.status["track"], run.status["submission"], run.status["global_step"]) == ("model", "two_layers", 2)


def test_python_needs_a_submission_or_a_model_and_a_workload():
    for given in ({}, {"submission": BASELINES / "momentum_pytorch", "model": TWO_LAYERS}):
        with pytest.raises(UserError, match="Give a submission or, for the model track, model="):
            algoperf.train(workload="digits", **given)
    with pytest.raises(UserError, match="Name a workload"):
        algoperf.train(BASELINES / "momentum_pytorch")
    with pytest.raises(UserError, match='Say framework="jax" or framework="pytorch"'):
        algoperf.train(model="published", workload="digits")
