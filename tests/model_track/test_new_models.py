"""`algoperf new --track model`: what it writes is typed, tidy, keeps the rules, and trains."""

from __future__ import annotations

import subprocess
import sys

import pytest

from algoperf.cli import main
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload
from algoperf_check import static
from algoperf_check.request import CheckRequest
from trial_runs import Run

FILES = {"jax": "model_jax.py", "pytorch": "model_torch.py"}


def new(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["new", *arguments])
    return end.value.code or 0


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize(("workload", "scale"), [("digits", "full"), ("wmt", "mini")])
def test_what_is_written_trains_and_keeps_the_rules(framework, workload, scale, repository, prepare, tmp_path):
    root, dataset = tmp_path / "submissions", find_workload(workload).at(scale).dataset
    arguments = ["mine", "--track", "model", "--framework", framework, "--authors", "A", "--output-dir", str(root)]
    arguments += ["--workload", workload] if workload != "digits" else []
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
    assert {found.rule.number for found in static.run(asked)} == {"12.9"}, "its texts wait for their authors"
    readme = (folder / "README.md").read_text()
    assert readme.count(f"WORKLOADS={workload} SCALE=mini\n") == 2
    assert "make score TRACK=model SCALE=mini\n" in readme
    options = {"submission": None, "model": folder, "max_global_steps": 2, "workload": workload, "scale": scale}
    run = Run(folder, framework, prepare(dataset, scale), tmp_path / "runs", options)
    assert run.here() == 0
    assert run.status["last_evaluation"]["metrics"]
    assert new(*arguments) == 2  # the name is taken
    if (framework, workload) == ("pytorch", "wmt"):
        assert run.evaluate_here("--model", str(folder), "--workload", "wmt") == 0


def test_what_does_not_go_together_is_refused(tmp_path, capsys):
    place = ["--framework", "jax", "--output-dir", str(tmp_path)]
    assert new("mine", "--track", "model", "--ruleset", "external", *place) == 2
    assert "The model track has no search spaces" in capsys.readouterr().err
    assert new("published", "--track", "model", *place) == 2
    assert "'my_published'" in capsys.readouterr().err
    assert new("mine", *place) == 2
    assert "Missing option '--ruleset'" in capsys.readouterr().err
    assert new("mine", "--ruleset", "self", "--workload", "digits", *place) == 2
    assert "--workload is for --track model" in capsys.readouterr().err
    assert new("mine", "--track", "model", "--workload", "ogbg", *place) == 2
    assert "There is no model to start from for ogbg" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
