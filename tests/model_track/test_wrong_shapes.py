"""A submitted model whose outputs have the wrong shape: what its author is told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from algoperf.errors import SubmissionError
from algoperf.workload.outputs import require_outputs
from algoperf.workload.registry import find_workload
from places import SUPPORT
from trial_runs import Run

WHOLE = np.zeros(4, np.int32)
WORDS = (np.zeros((4, 5), np.int32), np.zeros((4, 5)))
FRAMES = np.zeros((4, 9, 1024))


def zeros(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("workload", "labels", "outputs", "said"),
    [
        ("digits", WHOLE, zeros(4, 7), r"\(4, 7\). Wanted: logits \(4, 10\). .* task.num_outputs = 10"),
        ("digits", WHOLE, zeros(4), r"\(4,\). Wanted: logits \(4, 10\)"),
        ("digits", WHOLE, zeros(4, 1, 10), r"Wanted: logits \(4, 10\)"),
        ("digits", WHOLE, (zeros(4, 10), zeros(4)), r"a tuple of \(4, 10\), \(4,\). Wanted"),
        ("digits", WHOLE, {"logits": zeros(4, 10)}, "dict. Wanted"),
        ("digits", WHOLE, None, "NoneType. Wanted"),
        ("digits", zeros(4, 10), zeros(4, 9), r"Wanted: the shape of the targets, \(4, 10\)"),
        ("finewebedu_lm", zeros(2, 6).astype(np.int32), zeros(2, 50304), r"Wanted: logits \(2, 6, \d+\)"),
        ("criteo1tb", zeros(4), zeros(4, 2), r"Wanted: one logit per row, \(4,\) or \(4, 1\)"),
        ("fastmri", zeros(4, 8, 8), zeros(4, 1, 8, 8), r"Wanted: the shape of the targets, \(4, 8, 8\)"),
        ("ogbg", zeros(4, 128), zeros(4, 1), r"Wanted: the shape of the targets, \(4, 128\)"),
        ("librispeech_conformer", WORDS, FRAMES, r"Wanted: a pair of logits \(4, T, 1024\) and paddings \(4, T\)"),
        ("librispeech_conformer", WORDS, (FRAMES, zeros(4, 8)), r"a tuple of \(4, 9, 1024\), \(4, 8\). Wanted"),
    ],
)  # fmt: skip
def test_the_shapes_given_and_wanted_are_said(workload, labels, outputs, said):
    with pytest.raises(
        SubmissionError, match=rf"^The outputs of the model for {workload} have the wrong shape: .*{said}"
    ):
        require_outputs(find_workload(workload), labels, outputs)


@pytest.mark.parametrize(
    ("workload", "labels", "outputs"),
    [
        ("digits", WHOLE, zeros(4, 10)),
        ("digits", WHOLE, zeros(4, 16)),  # more classes than there are, as for speed
        ("digits", zeros(4, 10), zeros(4, 10)),  # as in mixup
        ("criteo1tb", zeros(4, 1), zeros(4)),
        ("librispeech_conformer", WORDS, (FRAMES, zeros(4, 9))),
    ],
)
def test_what_losses_can_be_computed_of_is_taken(workload, labels, outputs):
    require_outputs(find_workload(workload), labels, outputs)


IN_EVALUATION = """

_build = build


class Model(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        logits = self.inner(x)
        return logits if self.training else logits[:, None, :, None]


def build(task):
    return Model(_build(task))
"""


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_a_trial_ends_with_it(data_root, tmp_path, framework):
    model = tmp_path / "narrow"
    shutil.copytree(SUPPORT / "models" / "two_layers", model)
    for file in model.glob("model_*.py"):
        file.write_text(file.read_text().replace("task.num_outputs", "7"))
    said = ended(Run(model, framework, data_root, tmp_path / "runs", {"submission": None, "model": model}))
    assert (
        "At step 0: The outputs of the model for digits have the wrong shape: (128, 7). Wanted: logits (128, 10)."
        in said
    )


def test_a_shape_that_is_wrong_in_evaluations_only(data_root, tmp_path):
    model = tmp_path / "narrow"
    shutil.copytree(SUPPORT / "models" / "two_layers", model)
    with (model / "model_torch.py").open("a") as file:
        file.write(IN_EVALUATION)
    options = {"submission": None, "model": model, "max_global_steps": 2, "eval_every_steps": 1}
    said = ended(Run(model, "pytorch", data_root, tmp_path / "runs", options))
    assert "At step 1: The outputs of the model for digits have the wrong shape: (" in said
    assert ", 1, 10, 1). Wanted: logits (" in said


def ended(run: Run) -> str:
    """What the records say of a trial that ends with an error of its submission."""
    assert run.here() == 3
    [file] = run.output.rglob("status.json")
    status = json.loads(file.read_text())
    assert status["status"] == "submission_error"
    return status["message"]
