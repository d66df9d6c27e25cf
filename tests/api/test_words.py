"""The words of errors that Python's callers see."""

from __future__ import annotations

import inspect

import pytest

import algoperf
from algoperf.api.words import errors_in_python_words, in_python_words
from algoperf.errors import DataError

ARGUMENTS = (
    "workload",
    "scale",
    "study",
    "output_dir",
    "resume",
    "search_space",
    "compile_policy",
    "baseline",
    "verify",
)


@pytest.mark.parametrize(
    ("message", "in_python"),
    [
        ("Choose another --output-dir.", "Choose another output_dir."),
        ("start over with --no-resume.", "start over with resume=False."),
        ("Say --scale full or --scale mini.", 'Say scale="full" or scale="mini".'),
        ("Give --study 2.", "Give study=2."),
        ("Give one with --search-space FILE.", "Give one with search_space=FILE."),
        ("--torch-compile is for PyTorch", "compile_policy is for PyTorch"),
        ("--with is needed", "baseline is needed"),
        ("instead: --workload path/to/cube", 'instead: workload="path/to/cube"'),
        ("instead: --workload path/to/cube. Allowed", 'instead: workload="path/to/cube". Allowed'),
        ("(--scale mini --workload a/b), or", '(scale="mini" workload="a/b"), or'),
        ("Name one with --workloads.", "Name one with workload."),
        ("give --model FOLDER", "give --model FOLDER"),
        ("The same command goes on.", "The same call goes on."),
        ("Make it:\n  algoperf download --scale mini", "Make it:\n  algoperf download --scale mini"),
        ("`algoperf evaluate --scale mini` or --scale mini", '`algoperf evaluate --scale mini` or scale="mini"'),
    ],
)  # fmt: skip
def test_options_are_named_as_arguments(message, in_python):
    assert in_python_words(message, ARGUMENTS) == in_python


def test_an_error_keeps_its_class_and_origin():
    @errors_in_python_words
    def call(data_dir):
        raise DataError(f"{data_dir} is empty: choose another --data-dir")

    with pytest.raises(DataError, match=r"^here is empty: choose another data_dir$"):
        call("here")
    assert call.__name__ == "call"


def test_other_errors_are_left_alone():
    @errors_in_python_words
    def call(scale):
        raise ValueError(f"--scale {scale}")

    with pytest.raises(ValueError, match=r"^--scale mini$"):
        call("mini")


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (
            algoperf.train,
            "studys",
            r"^train\(\) has no argument 'studys'. Did you mean 'study'\? help",
        ),
        (algoperf.compare, "study", "Did you mean 'studies'"),
        (algoperf.score, "Reference", "Did you mean 'reference'"),
        (algoperf.check, "qqqq", "Allowed: submission, framework, ruleset, version, static_only"),
        (algoperf.runs, "foldr", "Did you mean 'folder'"),
        (algoperf.write_submission, "setings", "Did you mean 'settings'"),
    ],
)
def test_an_argument_that_is_not_there_is_said_with_the_nearest_one(function, given, says):
    with pytest.raises(TypeError, match=says) as raised:
        function("mine", **{given: 1})
    assert "\n" not in str(raised.value)


def test_editors_see_the_arguments():
    assert list(inspect.signature(algoperf.train).parameters)[:3] == ["submission", "workload", "model"]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'folder'"):
        algoperf.write_submission()
