"""What is shown of an error in a submission: its own lines, and what may help."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import namedtuple

import pytest

from algoperf.errors import UserError
from algoperf.submission.loading import load_submission
from algoperf.submission.tracebacks import full_traceback, raised_in, submission_traceback
from algoperf.workload.registry import REPOSITORY_CUBES

SOURCE = """
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import settings_of

SETTINGS = {"learning_rate": 1e-3, "warm_up_factor": 0.05}


def through_the_harness(hyperparameters, batch):
    return warmup_cosine_rate(settings_of(hyperparameters, SETTINGS), 1, 10)


def by_its_own(hyperparameters, batch):
    return SETTINGS["learning_rte"]


def by_a_call(hyperparameters, batch):
    return settings_of(
        hyperparameters, SETTINGS
    )["learning_rte"]


def by_popping(hyperparameters, batch):
    return SETTINGS.pop("beta")


def by_attribute(hyperparameters, batch):
    return hyperparameters.learning_rte


def by_a_batch(hyperparameters, batch):
    return batch["labels"]


def by_a_value(hyperparameters, batch):
    return {1: 2}[3]


def by_a_module(hyperparameters, batch):
    import math
    return math.sine
"""


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "submission.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("own_submission", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(folder, function, hyperparameters):
    with pytest.raises((KeyError, AttributeError)) as caught:
        function(hyperparameters, {"inputs": 1, "targets": 2})
    return submission_traceback(caught.value, folder)


POINT = namedtuple("Hyperparameters", ["learning_rate", "beta1"])(1.0, 2.0)
SETTINGS = "SETTINGS of submission.py."
KEYS = "It has: learning_rate, warm_up_factor."
SPACE = "hyperparameters, which come from the search space."


@pytest.mark.parametrize(
    ("name", "hyperparameters", "says"),
    [
        ("through_the_harness", None,
         f"There is no 'warmup_factor' in {SETTINGS} Did you mean 'warm_up_factor'? {KEYS}"),
        ("through_the_harness", POINT,
         f"There is no 'warmup_factor' in {SPACE} It has: learning_rate, beta1."),
        ("by_its_own", None, f"There is no 'learning_rte' in {SETTINGS} Did you mean 'learning_rate'? {KEYS}"),
        ("by_a_call", None, f"There is no 'learning_rte' in {SETTINGS} Did you mean 'learning_rate'? {KEYS}"),
        ("by_a_call", POINT,
         f"There is no 'learning_rte' in {SPACE} Did you mean 'learning_rate'? It has: learning_rate, beta1."),
        ("by_popping", None, f"There is no 'beta' in {SETTINGS} {KEYS}"),
        ("by_attribute", POINT,
         f"There is no 'learning_rte' in {SPACE} Did you mean 'learning_rate'? It has: learning_rate, beta1."),
        ("by_attribute", None, "Under self-tuning there are no hyperparameters"),
        ("by_a_batch", None, "There is no 'labels' in batch. It has: inputs, targets."),
    ],
)  # fmt: skip
def test_a_missing_setting_is_explained(own, monkeypatch, tmp_path, name, hyperparameters, says):
    monkeypatch.setitem(sys.modules, "own_submission", own)
    text = shown(tmp_path, getattr(own, name), hyperparameters)
    assert text.splitlines()[-1].startswith(says)
    assert f"in {name}\n" in text


@pytest.mark.parametrize("name", ["by_a_value", "by_a_module"])
def test_other_errors_are_not_explained(own, tmp_path, name):
    assert "There is no" not in shown(tmp_path, getattr(own, name), None)


def test_frames_of_the_harness_are_not_the_submissions(own, tmp_path):
    text = shown(tmp_path, own.through_the_harness, None)
    assert "blocks/schedules.py" not in text
    assert "(submission's frames only; ALGOPERF_TRACEBACK=full shows all)" in text


def test_all_frames_can_be_asked_for(own, monkeypatch, tmp_path):
    monkeypatch.setenv("ALGOPERF_TRACEBACK", "full")
    text = shown(tmp_path, own.through_the_harness, None)
    assert "blocks/schedules.py" in text
    assert "all frames" in text


def test_an_error_raised_by_the_harness_alone_shows_its_place_instead_of_its_frames(tmp_path):
    """As that of a block in a function that it has made for the submission."""
    with pytest.raises(UserError) as caught:
        load_submission(tmp_path / "nothing")
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this test
    title, raised, *_ = submission_traceback(error, tmp_path).splitlines()
    assert re.fullmatch(
        r"Traceback \(no frame is the submission's; raised in algoperf/submission/loading.py, line \d+; .*\):", title
    )
    assert raised.startswith("algoperf.errors.UserError: ")
    assert "  File " in full_traceback(error)


def test_an_error_without_own_frames_says_so(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        1 / 0  # noqa: B018
    text = submission_traceback(caught.value, tmp_path)
    assert "submission's frames only" not in text
    assert "no frame is the submission's" in text


def test_a_folder_that_holds_the_harness_or_libraries_does_not_own_them(tmp_path):
    """As a submission.py in the root of the repository, beside `.venv`."""
    repository = REPOSITORY_CUBES.parent
    with pytest.raises(UserError) as caught:
        load_submission(tmp_path / "nothing")
    assert not raised_in(caught.value, repository)
    assert "tests/submission/test_tracebacks.py" in submission_traceback(caught.value, repository)
    assert "loading.py" not in submission_traceback(caught.value, repository)
    library = tmp_path / ".venv/lib/site-packages/library.py"
    library.parent.mkdir(parents=True)
    library.write_text("def fail(): raise RuntimeError\n")
    names: dict = {}
    exec(compile(library.read_text(), str(library), "exec"), names)
    with pytest.raises(RuntimeError) as caught:
        names["fail"]()
    assert not raised_in(caught.value, tmp_path)
