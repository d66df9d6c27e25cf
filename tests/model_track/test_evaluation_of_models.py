"""The process of a submitted model: what it sees, and what its end looks like from outside."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from algoperf.errors import AlgoperfError
from algoperf.reevaluate.apart import ModelProcess
from algoperf.submission.model import SubmittedModel
from algoperf.system import confined
from places import SUPPORT
from trial_runs import Run

BATCH = {"inputs": np.ones((4, 8, 8, 1), np.float32), "targets": np.zeros(4, np.int32), "weights": np.ones(4)}
CHANGED = """

class Changed(nn.Sequential):
    def forward(self, x):
        {body}
        return super().forward(x)


_build = build


def build(task):
    return Changed(*_build(task))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_root) -> Run:
    root = tmp_path_factory.mktemp("apart")
    model = SUPPORT / "models" / "two_layers"
    options = {"submission": None, "model": model, "max_global_steps": 2, "eval_every_steps": 2}
    run = Run(model, "pytorch", data_root, root, options)
    assert run.here() == 0
    return run


def process(trained: Run, folder, body: str, hidden=()) -> ModelProcess:
    shutil.copytree(trained.submission, folder)
    with (folder / "model_torch.py").open("a") as file:
        file.write(CHANGED.format(body=body))
    return ModelProcess(trained.checkpoint, "digits", SubmittedModel(folder), list(hidden))


def test_it_answers_with_outputs(trained, tmp_path):
    with process(trained, tmp_path / "model", "pass") as model:
        outputs = model.outputs(BATCH)
        assert {name: value.shape for name, value in outputs.items()} == {"output_0": (4, 10)}
        np.testing.assert_array_equal(model.outputs(BATCH)["output_0"], outputs["output_0"])


def test_an_error_names_the_line_of_the_model(trained, tmp_path):
    with (
        process(trained, tmp_path / "model", "raise ValueError('too dark')") as model,
        pytest.raises(AlgoperfError, match=r"model_torch.py(.|\n)*ValueError: too dark"),
    ):
        model.outputs(BATCH)


def test_a_process_that_dies_is_said_to_have_ended(trained, tmp_path):
    with (
        process(trained, tmp_path / "model", "import os; os._exit(3)") as model,
        pytest.raises(AlgoperfError, match="The process of the model ended"),
    ):
        model.outputs(BATCH)


def test_it_may_not_write_to_the_records(trained, tmp_path):
    body = f"open({str(trained.trial / 'eval_measurements.csv')!r}, 'a').write('x')"
    before = (trained.trial / "eval_measurements.csv").read_bytes()
    with (
        process(trained, tmp_path / "model", body) as model,
        pytest.raises(AlgoperfError, match=r"Read-only file system|broke the rules"),
    ):
        model.outputs(BATCH)
    if confined(kept=[trained.trial])[-1:] == ["--"]:
        assert (trained.trial / "eval_measurements.csv").read_bytes() == before


def test_confined_processes_see_no_hidden_files_and_change_no_kept_ones(tmp_path):
    hidden, kept = tmp_path / "hidden folder", tmp_path / "kept"
    for folder in (hidden, kept):
        folder.mkdir()
        (folder / "file").touch()
    command = confined([hidden], [kept])
    if command[-1:] != ["--"]:
        pytest.skip("this user may not make namespaces")
    script = 'ls "$1"; ls "$2"; touch "$2/new"'
    done = subprocess.run(
        [*command, "sh", "-c", script, "sh", hidden, kept], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.stdout, "Read-only" in done.stderr) == ("file\n", True)
    assert sorted(path.name for path in kept.iterdir()) == ["file"]
