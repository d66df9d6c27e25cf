"""What users see while a trial runs."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys

import pytest

from algoperf.records.status import Status
from algoperf.trial.clock import Times
from algoperf.trial.progress import PlainDisplay, Progress
from algoperf.trial.settings import TrialSettings
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload
from scripted import limits


@pytest.fixture
def settings(tmp_path):
    return TrialSettings(
        definition=find_workload("digits"), version=load_version(), framework="jax", submission_file=tmp_path / "s.py",
        ruleset="external", study=2, trial=3, seed=0, hyperparameters={}, data_dir=tmp_path, output_dir=tmp_path,
        max_global_steps=400,
    )  # fmt: skip


def test_plain_lines_say_how_it_stands(settings):
    stream = io.StringIO()
    progress = Progress(settings, PlainDisplay(stream))
    progress.step(100, Times(submission=2.0), next_evaluation_sec=0.5)
    progress.evaluation(100, {"validation/accuracy": 0.5}, Times(submission=2.0))
    progress.step(200, Times(submission=4.0), next_evaluation_sec=0.1)
    progress.end(Status.MAX_STEPS_REACHED, "Stopped.")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "s on digits (jax), study 2, trial 3: validation/accuracy target >= 0.96"
    assert lines[1] == (
        "step 100 | 50 steps/s | clock 2.0 of 60 s | no evaluation yet | next evaluation in 0.5 s | at most 6.0 s to go"
    )
    assert lines[2] == "step 100, clock 2.00 s: validation/accuracy 0.5 (target >= 0.96)"
    assert "validation/accuracy 0.5 (target >= 0.96)" in lines[3]
    assert lines[4] == "max_steps_reached: Stopped."
    assert not set(stream.getvalue()) & {"\r", "\x1b"}


def test_plain_lines_are_rare(settings):
    progress = Progress(settings, PlainDisplay(io.StringIO()))
    assert [progress.due(now) for now in (0.0, 0.1, 9.9, 10.0, 10.1, 25.0)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_a_minimised_metric_is_compared_the_other_way(settings, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(type(settings.version), "limits", lambda *_: limits(metric="loss", goal="min"))
    Progress(settings, PlainDisplay(stream))
    assert "validation/loss target <= 0.9" in stream.getvalue()


def test_on_a_terminal_the_state_is_redrawn_in_place(repository, data_root, tmp_path):
    command = [
        sys.executable, "-m", "algoperf", "train", "--workload", "digits", "--framework", "pytorch", "--ruleset",
        "self", "--submission", repository / "submissions/template", "--data-dir", data_root,
        "--output-dir", tmp_path, "--max-global-steps", "40",
    ]  # fmt: skip
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        text = read_all(ours)
    assert process.returncode == 0, text
    assert "\x1b[2K" in text
    assert "max_steps_reached: Stopped after 40 steps, as asked for." in text
    assert text.index("steps/s") < text.index("max_steps_reached")


def read_all(descriptor):
    parts = []
    with contextlib.suppress(OSError):  # raised when the other side is gone
        while part := os.read(descriptor, 4096):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()
