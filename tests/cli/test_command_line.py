"""The command line as users meet it: real processes, what they print, how they exit."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import pytest

from algoperf.commands.train import train
from algoperf.errors import nearest
from algoperf.trial.request import Request


@pytest.fixture
def run(repository, tmp_path):
    def call(*arguments, **environment):
        import os

        return subprocess.run(
            [sys.executable, "-m", "algoperf", *map(str, arguments)],
            capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **environment}, check=False,
        )  # fmt: skip

    return call


TRAIN = ("train", "--workload", "digits", "--framework", "pytorch")


def test_help_lists_the_commands(run):
    done = run("--help")
    assert done.returncode == 0
    for command in ("workloads", "download", "preprocess", "train", "evaluate", "score"):
        assert command in done.stdout


def test_workloads_lists_cubes_with_targets(run):
    done = run("workloads")
    assert "digits" in done.stdout
    assert "mnist" in done.stdout
    assert "accuracy >= 0.97" in done.stdout
    header, *rows = done.stdout.split("\n\n")[1].splitlines()
    assert header.split() == ["workload", "scale", "validation", "target", "external", "self-tuning", "scored"]
    assert all(row[header.index("scored") :] in ("yes", "no") for row in rows)
    digits = [row.split() for row in rows if row.startswith("digits ")]
    assert [(row[1], row[-5:]) for row in digits] == [
        (scale, ["60", "s", "90", "s", "no"]) for scale in ("full", "mini")
    ]


def test_an_unknown_workload_shows_the_nearest_and_then_all_in_a_line_each(run):
    done = run("download", "--workload", "criteo")
    first, *rest = done.stderr.splitlines()
    assert "Did you mean 'criteo1tb' or 'criteo1tb_test'" in first
    assert "  criteo1tb  (_test, _layernorm, _embed_init, _resnet)" in rest
    assert "  digits" in rest
    assert max(map(len, done.stderr.splitlines())) < 200


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["trian"], "Did you mean 'train'"),
        (["download", "--workload", "mnits"], "Did you mean 'mnist'"),
        (["workloads", "--version", "v0.7"], "Allowed: v0.5, v0.6, v1.0"),
        ([*TRAIN, "--submission", "nowhere", "--ruleset", "self"], "nowhere does not exist"),
        ([*TRAIN, "--submission", ".", "--ruleset", "self"], "has no submission.py"),
        ([*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "self", "--trial", "2"], "one trial"),
        (
            [*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "self", "--search-space", "x"],
            "goes with --ruleset external",
        ),
        (
            [*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "external", "--search-space", "x"],
            "no search space at x",
        ),
        (
            [*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "external", "--trial", "6"],
            "3 studies x 5 trials",
        ),
        ([*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "self", "--scale", "tiny"], "'mini'"),
        ([*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "elf"], "'self'"),
        (["evaluate", "--workload", "digits"], "no checkpoint of digits"),
        (["score", "nowhere"], "nowhere"),
        (
            ["evaluate", "--workload", "digits", "--tolerance", "nan"],
            "'nan' is not a number of at least 0, such as 0.001",
        ),
        ([*TRAIN, "--framework", "torch"], "Did you mean 'pytorch'"),
        (
            [*TRAIN, "--framework", "jax", "--submission", "{repo}/submissions/template", "--ruleset", "self"],
            "is written for PyTorch",
        ),
        ([*TRAIN, "--submission", "{repo}/submissions/template", "--ruleset", "self", "--study", "9"], "3 studies"),
    ],
)
def test_bad_input_gets_a_message_and_exit_code_2(run, repository, arguments, complaint):
    done = run(*[argument.format(repo=repository) for argument in arguments])
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [("DIGITS", "digits"), ("Mnits", "mnist"), ("torch", "pytorch"), ("PyTorch", "pytorch"), ("qqqqqqq", None)],
)
def test_the_nearest_name_ignores_case(given, meant):
    assert nearest(given, ["digits", "mnist", "pytorch", "jax"]) == meant


def test_missing_data_names_the_commands_that_make_it(run, repository):
    done = run(*TRAIN, "--submission", repository / "submissions/template", "--ruleset", "self")
    assert done.returncode == 5
    assert "algoperf download --workload digits" in done.stderr
    assert "algoperf preprocess --workload digits" in done.stderr
    assert "--raw-dir" not in done.stderr


def test_a_cube_anywhere_on_disk_runs_through_all_tasks(run, repository, tmp_path):
    cube = tmp_path / "elsewhere" / "mine"
    shutil.copytree(repository / "cubes" / "digits", cube)
    definition = (cube / "workload.py").read_text()
    (cube / "workload.py").write_text(definition.replace('name="digits"', 'name="mine"'))
    (cube / "limits.toml").write_text(
        '[workloads.mine.full]\nmetric = "loss"\ngoal = "min"\nvalidation_target = 1.0\ntest_target = 1.0\n'
        "max_runtime_sec = 60\neval_period_sec = 1\nstep_hint = 100\n"
    )
    (tmp_path / "sub").mkdir()
    code = (repository / "submissions/template/submission.py").read_text()
    own = "\n\ndef get_batch_size(workload_name):\n    return {'mine': 64}[workload_name]\n"
    (tmp_path / "sub" / "submission.py").write_text(code + own)
    for task in ("download", "preprocess"):
        assert run(task, "--workload", cube).returncode == 0
    trained = run(
        "train", "--workload", cube, "--framework", "pytorch", "--submission", "sub", "--ruleset", "self",
        "--eval-every-steps", 10, OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "target_reached" in trained.stdout
    assert (tmp_path / "runs/sub/study_1/mine_pytorch/trial_1/eval_measurements.csv").is_file()
    evaluated = run("evaluate", "--workload", cube)
    assert evaluated.returncode == 0, evaluated.stderr
    listed = run("workloads", ALGOPERF_CUBES=str(cube.parent))
    assert "loss <= 1" in listed.stdout
    scored = run("score", "runs", ALGOPERF_CUBES=str(cube.parent))
    assert scored.returncode == 0, scored.stderr


def test_a_request_made_in_python_has_the_defaults_of_the_command_line(monkeypatch):
    for variable in ("ALGOPERF_SHARE", "ALGOPERF_EVALUATION"):
        monkeypatch.delenv(variable, raising=False)
    named = {field.name: field.default for field in dataclasses.fields(Request)}
    defaults = {name: value for name, value in named.items() if value is not dataclasses.MISSING}
    command = ["--workload", "digits", "--framework", "jax", "--ruleset", "self"]
    given = train.make_context("train", command).params
    assert {name: given[name] for name in defaults} == defaults
