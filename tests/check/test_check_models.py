"""`algoperf check` of model submissions: what is read in their code, and what trying them shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from algoperf.cli import main
from algoperf.versions import load_version
from algoperf_check import static
from algoperf_check.probe import models
from algoperf_check.request import CheckRequest
from places import REPOSITORY, SUPPORT

HONEST = """
from torch import nn
from algoperf.task import Task

def build(task: Task) -> nn.Module:
    if task.name == "digits":  # the data set is known
        return nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_outputs))
    return nn.Linear(task.targets.shape[-1], task.num_outputs)
"""
COUNTING = """
from torch import nn

class Counting(nn.Linear):
    calls = 0

    def forward(self, x):
        self.calls += not self.training
        return super().forward(x.flatten(1)) * (1 + self.calls)

def build(task):
    return Counting(64, task.num_outputs)
"""


def request(folder: Path) -> CheckRequest:
    return CheckRequest(
        submission=folder, framework="pytorch", ruleset="self", version=load_version(), track="model"
    )  # fmt: skip


def written(folder: Path, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model_torch.py").write_text(code)
    return folder


def rules(folder: Path) -> set[str]:
    found = {finding.rule.number for finding in static.run(request(folder))}
    return found - {"12.2", "12.5"}  # licence and facts


def test_knowing_the_data_set_is_allowed(tmp_path):
    assert rules(written(tmp_path / "honest", HONEST)) == set()
    (tmp_path / "honest" / "submission.py").write_text("RATES = {'cifar': 1e-3, 'ogbg': 1e-2}\n")
    assert rules(tmp_path / "honest") == set()


@pytest.mark.parametrize("name", ["folded_unet", "patch_mixer"])
def test_examples_keep_the_rules(name):
    folder = REPOSITORY / "submissions" / "models" / name
    framework = "jax" if (folder / "model_jax.py").exists() else "pytorch"
    asked = CheckRequest(submission=folder, framework=framework, ruleset="self", version=load_version(), track="model")
    assert static.run(asked) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("import timm", "17.1"),
        ("from torchvision.models import resnet18", "17.1"),
        ("def load(m): m.load_state_dict({})", "17.1"),
        ("def load(f): return f(pretrained=True)", "17.1"),
        ("weights = torch.load('weights.pt')", "17.2"),
        ("text = open('table.txt').read()", "17.2"),
        ("def forward(batch): return batch['targets']", "17.3"),
        ("def forward(x, labels): return labels", "17.3"),
        ("import sys; frame = sys._getframe()", "1.9"),
        ("from algoperf.datasets.digits import DIGITS", "5.3"),
        ("import threading", "6.1"),
    ],
)
def test_what_is_read_in_the_code(tmp_path, line, rule):
    assert rule in rules(written(tmp_path / "mine", f"import torch\n{HONEST}\n{line}\n"))


def test_a_model_that_decodes_is_trained_on_both_texts(tmp_path):
    both = "def forward(inputs, targets): ..."
    assert "17.3" in rules(written(tmp_path / "mine", f"{HONEST}\n{both}\n"))
    assert rules(written(tmp_path / "mine", f"{HONEST}\n{both}\ndef decode(model, inputs, num_tokens): ...\n")) == set()
    asks = "def decode(model, inputs, targets): ..."
    assert "17.3" in rules(written(tmp_path / "mine", f"{HONEST}\n{both}\n{asks}\n"))
    method = "class Model:\n    def decode(self, inputs): ..."
    assert "17.3" in rules(written(tmp_path / "mine", f"{HONEST}\n{both}\n{method}\n"))


def test_a_submission_of_the_other_track_keeps_its_rules(tmp_path):
    """What a model may know, an algorithm may not."""
    (tmp_path / "submission.py").write_text("RATES = {'cifar': 1e-3, 'ogbg': 1e-2}\n")
    asked = CheckRequest(submission=tmp_path, framework="pytorch", ruleset="self", version=load_version())
    assert "2.1" in {finding.rule.number for finding in static.run(asked)}


@pytest.mark.full
def test_a_sound_model_passes_when_it_is_tried():
    assert models.run(request(SUPPORT / "models" / "two_layers")) == []


def test_a_model_that_counts_its_evaluations_is_found_when_it_is_tried(tmp_path, monkeypatch, capfd):
    """It trains, but what it has counted is in no checkpoint. Meanwhile, it is said what is done and for how long."""
    monkeypatch.setattr("algoperf.waiting.SILENCE_SEC", 0.2)
    resumed, alone = models.run(request(written(tmp_path / "counting", COUNTING)))
    said = capfd.readouterr().err
    assert re.search(r"^trying it on digits, the quickest of the \d+ data sets it is made for \(digits, ", said, re.M)
    for doing in ("finding out which data sets the model is made for", "training on digits", "evaluating on digits"):
        assert re.search(rf"^{doing}: \d+ s so far$", said, re.M)
    assert resumed.rule.number == "18.2"
    assert alone.rule.number == "18.3"
    assert "change from one evaluation to the next" in alone.what


def test_a_model_for_no_data_set_is_found(tmp_path):
    (finding,) = models.run(request(written(tmp_path / "none", "def build(task):\n    raise ValueError('not that')\n")))
    assert (finding.rule.number, "not that" in finding.what) == ("18.1", True)


def test_the_command_finds_the_track_by_the_folder(tmp_path, capsys):
    folder = written(tmp_path / "mine", HONEST + "import timm\n")
    with pytest.raises(SystemExit) as end:
        main(["check", str(folder), "--static-only", "--json", "-"])
    told = json.loads(capsys.readouterr().out)
    assert (end.value.code, told["track"], told["framework"]) == (8, "model", "pytorch")
    assert "17.1" in {finding["rule"] for finding in told["findings"]}
