"""MLCube's calls become commands."""

from __future__ import annotations

import pytest

from algoperf.container import command_line
from algoperf.errors import UserError


@pytest.fixture
def submissions(tmp_path):
    (tmp_path / "subs" / "mine").mkdir(parents=True)
    (tmp_path / "subs" / "mine" / "submission.py").touch()
    return tmp_path / "subs"


def train_arguments(submissions, parameters):
    return [
        "--data_in=/mlcube_io0",
        f"--submission_dir={submissions}",
        f"--parameters_file={parameters}",
        "--output_dir=/mlcube_io3",
    ]


def write(tmp_path, text):
    file = tmp_path / "run.yaml"
    file.write_text(text, errors="surrogateescape")
    return file


def test_paths_and_settings_become_options(tmp_path, submissions):
    file = write(tmp_path, "submission: mine\nframework: jax\nstudy: 2\nmax_global_steps: 10\nskip-evals: true\n")
    words = command_line("train", train_arguments(submissions, file), "mnist")
    assert words == [
        "train", "--workload", "mnist", "--data-dir", "/mlcube_io0", "--submission", f"{submissions}/mine",
        "--output-dir", "/mlcube_io3", "--framework", "jax", "--study", "2", "--max-global-steps", "10", "--skip-evals",
    ]  # fmt: skip


def test_a_model_is_one_more_setting(tmp_path, submissions):
    for model, given in (("mine", f"{submissions}/mine"), ("published", "published")):
        words = command_line("train", train_arguments(submissions, write(tmp_path, f"model: {model}\n")), "mnist")
        assert words[words.index("--model") + 1] == given
        assert "--submission" not in words
    for text, complaint in (("model: ../elsewhere", "outside of"), ("model: a\nsubmission: b", "different tracks")):
        with pytest.raises(UserError, match=complaint):
            command_line("train", train_arguments(submissions, write(tmp_path, text)), "mnist")


def test_values_are_taken_as_they_are_written(tmp_path, submissions):
    (submissions / "010").mkdir()
    file = write(tmp_path, "submission: 010\nversion: v0.6\nstudy: 1:30\n")
    words = command_line("train", train_arguments(submissions, file), "mnist")
    assert words[-6:] == ["--output-dir", "/mlcube_io3", "--version", "v0.6", "--study", "1:30"]
    assert f"{submissions}/010" in words


def test_truth_values_become_flags(tmp_path, submissions):
    file = write(tmp_path, "submission: mine\nresume: false\nskip_evals: false\n")
    words = command_line("train", train_arguments(submissions, file), "mnist")
    assert words[-1] == "--no-resume"
    assert "--skip-evals" not in words


def test_an_optional_file_that_was_not_given_is_called_null():
    words = command_line("download", ["--raw_dir=/mlcube_io1", "--parameters_file=/mlcube_io0/null"], "mnist")
    assert words == ["download", "--workload", "mnist", "--raw-dir", "/mlcube_io1"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("submission: mine\nframwork: jax", "Did you mean 'framework'"),
        ("submission: mine\nworkload: digits", "Unknown setting"),
        ("submission: mine\ndata_dir: /", "Unknown setting"),
        ("framework: jax", "submission_dir holds: mine"),
        ("submission: ../elsewhere", "outside of submission_dir"),
        ("submission: mine\nseed: [1, 2]", "not a single value"),
        ("submission: mine\nresume: 3", "true, false"),
        ("- 1", "name: value"),
        ("a: b: c", "not valid YAML"),
        ("submission: mine\nseed: 1\nseed: 2", "run.yaml, line 3: the key 'seed' is given twice, first in line 2"),
        ("submission: mine\nmax-global-steps: 1\nmax_global_steps: 2", "max_global_steps twice"),
        ("submission: mine\nseed: 010", "octal in YAML and decimal"),
        ("submission: &a mine\nframework: *a", "line 2: .* alias"),
        ("submission: mine\nskip_evals: yes", "true, false"),
        ("\udce9", "line 1: byte 0xe9 is not UTF-8"),
    ],
)
def test_bad_parameters_are_explained(tmp_path, submissions, text, complaint):
    with pytest.raises(UserError, match=complaint):
        command_line("train", train_arguments(submissions, write(tmp_path, text)), "mnist")


@pytest.mark.parametrize(
    ("task", "arguments", "complaint"),
    [
        ("trian", [], "Did you mean 'train'"),
        ("download", ["--raw_dri=/x"], "Did you mean 'raw_dir'"),
        ("download", ["--raw_dir"], "--raw_dir=PATH"),
        ("download", [], "needs: --raw_dir=PATH"),
        ("download", ["--raw_dir=/x", "--parameters_file=/nowhere/run.yaml"], "no such file"),
    ],
)
def test_bad_calls_are_explained(task, arguments, complaint):
    with pytest.raises(UserError, match=complaint):
        command_line(task, arguments, "mnist")
