"""A mistake leaves nothing behind: no folder, no lock, no status, and an earlier trial is where it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from places import TEST_SUBMISSIONS
from trial_runs import Run

FUNCTIONS = ("get_batch_size", "init_optimizer_state", "update_params", "data_selection")
WHOLE = "import torch\n" + "".join(f"def {name}(*args, **kwargs): raise RuntimeError\n" for name in FUNCTIONS)


def batch_size(body):
    return WHOLE.replace("def get_batch_size(*args, **kwargs): raise RuntimeError", f"def get_batch_size(name): {body}")


MISTAKES = {
    "syntax error": (WHOLE + "def f(:\n", {}, 2, "SyntaxError"),
    "missing package": (WHOLE + "import no_such_package\n", {}, 2, "is not installed"),
    "error in the import": (WHOLE + "raise ValueError('here')\n", {}, 2, "ValueError: here"),
    "an exit in the import": (WHOLE + "import sys; sys.exit(0)\n", {}, 2, "SystemExit: 0"),
    "no exception in the import": (WHOLE + "raise BaseException('here')\n", {}, 2, "BaseException: here"),
    "a number as a function": (WHOLE + "prepare_for_eval = 3\n", {}, 2, "is int. Allowed: a function, or none"),
    "missing function": (WHOLE.replace("def update_params", "def update"), {}, 2, "update_params"),
    "missing data": (WHOLE, {"data_dir": "nowhere"}, 5, "There is no data"),
    "another framework": (WHOLE, {"framework": "jax"}, 2, "written for PyTorch"),
    "another study": (WHOLE, {"study": 4}, 2, "v0.6 has 3 studies"),
    "batch size 0": (batch_size("return 0"), {}, 2, "positive integer"),
    "batch size None": (batch_size("return None"), {}, 2, "positive integer"),
    "no batch size": (batch_size("raise ValueError('no')"), {}, 2, "has no batch size for digits"),
}


@pytest.fixture
def run(tmp_path, data_root):
    (tmp_path / "mine").mkdir()
    return Run(tmp_path / "mine", "pytorch", data_root, tmp_path / "runs")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_leaves_nothing_behind(run, capsys, name):
    code, options, exit_code, complaint = MISTAKES[name]
    (run.submission / "submission.py").write_text(code)
    assert run.here(**options) == exit_code
    error = capsys.readouterr().err
    assert complaint in error
    assert "Traceback (most recent call last)" not in error
    assert not list(run.output.glob("*"))


TRAINS = (
    "import functools, torch\n"
    "class Unprintable(BaseException):\n    def __str__(self): raise ValueError\n"
    "def get_batch_size(name): return 8\n"
    "def init_optimizer_state(*args): return {}\n"
    "def data_selection(workload, queue, *args): return next(queue)\n"
)
PARTIAL = "def update(**arguments): BODY\nupdate_params = functools.partial(update)\n"
OBJECT = "class Update:\n    def __call__(self, **arguments): BODY\nupdate_params = Update()\n"
RAISED = {
    "GeneratorExit": ("GeneratorExit", "GeneratorExit"),
    "one that is no Exception": ("type('Odd', (BaseException,), {})('here')", "Odd: here"),
    "one without a text": ("Unprintable", "Unprintable"),
    "a TypeError without a text": ("type('Odd', (Unprintable, TypeError), {})", "Odd"),
    "one of megabytes": ("ValueError('x' * 10**7 + 'the end')", "characters left out"),
    "one that is no UTF-8": ("ValueError('\\udcff')", "ValueError"),
}


@pytest.mark.parametrize("form", [PARTIAL, OBJECT], ids=["partial", "object"])
@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_submission_raises_is_its_error(run, capsys, name, form):
    raised, complaint = RAISED[name]
    (run.submission / "submission.py").write_text(TRAINS + form.replace("BODY", f"raise {raised}"))
    assert run.here() == 3
    said = capsys.readouterr()
    assert "submission_error: update_params failed at step 0" in said.out
    assert complaint in said.out
    assert len(said.out) < 15_000
    assert "Traceback (most recent call last)" not in said.out + said.err
    assert run.status["status"] == "submission_error"


@pytest.mark.parametrize("form", [PARTIAL, OBJECT, "update_params = lambda **arguments: None\n"])
def test_what_is_no_plain_function_is_named_as_in_the_api(run, capsys, form):
    (run.submission / "submission.py").write_text(TRAINS + form.replace("BODY", "pass"))
    assert run.here() == 3
    assert "submission_error: update_params returned None at step 0" in capsys.readouterr().out


def test_a_mistake_leaves_other_trials_alone(run):
    other = run.output / "mine" / "study_1" / "digits_pytorch" / "trial_2"
    other.mkdir(parents=True)
    (other / "status.json").write_text("{}")
    (run.submission / "submission.py").write_text(WHOLE + "import no_such_package\n")
    assert run.here() == 2
    assert [path.name for path in other.parent.iterdir()] == ["trial_2"]
    assert (other / "status.json").is_file()


def test_an_earlier_trial_is_put_back_when_starting_over_fails_by_a_mistake(run, capsys):
    run.submission.rmdir()
    shutil.copytree(TEST_SUBMISSIONS / "faulty", run.submission)
    assert run.here(max_global_steps=2) == 0
    before = {path.name: path.read_bytes() for path in run.trial.iterdir() if path.is_file()}
    with (run.submission / "submission.py").open("a") as file:
        file.write("import no_such_package\n")
    assert run.here(max_global_steps=2, no_resume=True) == 2
    assert f"the earlier trial is back in {run.trial}" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in run.trial.iterdir() if path.is_file()} == before
    assert [path.name for path in run.trial.parent.iterdir()] == ["trial_1"]


def test_the_commands_for_missing_data_make_it_where_it_is_looked_for(run, capsys, tmp_path):
    (run.submission / "submission.py").write_text(WHOLE)
    root = tmp_path / "my data"
    assert run.here(data_dir=root) == 5
    commands = [line.strip() for line in capsys.readouterr().err.splitlines() if line.startswith("  algoperf ")]
    assert len(commands) == 2
    assert all(f"--raw-dir '{root}/raw'" in command for command in commands)
    for command in commands:
        here = command.replace("algoperf", f"{sys.executable} -m algoperf", 1)
        subprocess.run(here, shell=True, check=True, capture_output=True, cwd=tmp_path)
    (manifest,) = root.glob("digits/*/manifest.json")
    assert json.loads(manifest.read_text())
    assert {path.name for path in tmp_path.iterdir()} <= {"mine", "my data", "runs"}
