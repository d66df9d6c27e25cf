"""`algoperf new --track model`: what it writes is typed, tidy, keeps the rules, and trains."""

from __future__ import annotations

import subprocess
import sys

import pytest

from algoperf.cli import main
from algoperf.versions import load_version
from algoperf_check import static
from algoperf_check.request import CheckRequest
from trial_runs import Run

FILES = {"jax": "model_jax.py", "pytorch": "model_torch.py"}


def new(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["new", *arguments])
    return end.value.code or 0


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_what_is_written_trains_and_keeps_the_rules(framework, repository, data_root, tmp_path):
    root = tmp_path / "submissions"
    arguments = ["mine", "--track", "model", "--framework", framework, "--authors", "A", "--output-dir", str(root)]
    assert new(*arguments) == 0
    folder = root / "models" / "mine"
    written = {file.name for file in folder.iterdir()}
    assert written == {FILES[framework], "README.md", "requirements.txt", "submission_info.yml"}
    for tool in ("ruff check --config", "ruff format --check --config", "mypy --config-file"):
        checked = [folder / FILES[framework]] if "mypy" in tool else [folder]
        command = [sys.executable, "-m", *tool.split(), repository / "pyproject.toml", *checked]
        done = subprocess.run(command, capture_output=True, text=True, cwd=repository, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    asked = CheckRequest(submission=folder, framework=framework, ruleset="self", version=load_version(), track="model")
    assert static.run(asked) == []
    options = {"submission": None, "model": folder, "max_global_steps": 2}
    assert Run(folder, framework, data_root, tmp_path / "runs", options).here() == 0
    assert new(*arguments) == 2  # the name is taken


def test_what_does_not_go_together_is_refused(tmp_path, capsys):
    place = ["--framework", "jax", "--output-dir", str(tmp_path)]
    assert new("mine", "--track", "model", "--ruleset", "external", *place) == 2
    assert "The model track has no search spaces" in capsys.readouterr().err
    assert new("published", "--track", "model", *place) == 2
    assert "'my_published'" in capsys.readouterr().err
    assert new("mine", *place) == 2
    assert "Missing option '--ruleset'" in capsys.readouterr().err
