"""`algoperf.train`, `score`, `compare`, `check` and `runs`: the command line from Python."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import algoperf
from algoperf.api.comparing import Comparison
from algoperf.data.files import open_locked
from algoperf.errors import CheckpointMismatch, SubmissionError, UserError
from places import BASELINES

MOMENTUM = BASELINES / "momentum_pytorch"


@pytest.fixture(scope="module")
def trained(data_root, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs")
    run = algoperf.train(MOMENTUM, "digits", data_dir=data_root, output_dir=output, share=True, show=False)
    return output, run


def test_a_run_is_an_object(trained):
    output, run = trained
    assert run.folder == output / "momentum_pytorch/study_1/digits_pytorch/trial_1"
    assert run.ended == "target_reached"
    assert run.evaluations[-1]["global_step"] == run.steps_to_target
    seconds, values = run.curve()
    assert seconds[-1] == run.seconds_to_target
    assert values[-1] >= run.target
    assert str(run).startswith("momentum_pytorch on digits (pytorch), study 1, trial 1: target reached in ")
    assert "<svg" in run._repr_html_()
    assert "both targets are reached" in run.log
    with pytest.raises(UserError, match="There is no column 'loss'"):
        run.curve("loss")


def test_it_was_watched_by_its_parent(trained):
    """As any other run: the notebook is not the process that trains."""
    _, run = trained
    assert (run.folder / "referee.json").is_file()
    assert (run.folder / "evaluation.json").is_file()
    assert run.status["process_id"] != os.getpid()


def test_a_finished_run_is_not_repeated_and_is_shown(trained, data_root, capsys):
    output, run = trained
    again = algoperf.train(MOMENTUM, "digits", data_dir=data_root, output_dir=output, share=True)
    assert again == run
    assert capsys.readouterr().out.startswith("already finished: ")
    assert [one.folder for one in algoperf.runs(output)] == [run.folder]


def test_scores_are_plain_values_and_a_page(trained):
    output, run = trained
    scores = algoperf.score(output)
    assert scores.scores == {"momentum_pytorch": 1.0}
    assert scores.seconds == {"momentum_pytorch": {"digits": run.seconds_to_target}}
    assert scores._repr_markdown_().startswith("# Leaderboard")


def test_other_settings_are_refused_with_the_class_of_the_mistake(trained, data_root):
    output, _ = trained
    with pytest.raises(UserError, match="holds a finished trial of other code or settings") as raised:
        algoperf.train(MOMENTUM, "digits", data_dir=data_root, output_dir=output, seed=7, share=True, show=False)
    assert raised.value.exit_code == CheckpointMismatch.exit_code
    assert "resume=False" in str(raised.value)
    assert "output_dir" in str(raised.value)
    assert "--" not in str(raised.value)


def test_a_comparison_can_start_over_and_names_its_arguments(tmp_path):
    with pytest.raises(UserError, match=r"^Invalid value for 'studies': 'three' is not a whole number") as raised:
        algoperf.compare(MOMENTUM, "digits", studies="three", resume=False, output_dir=tmp_path, show=False)
    assert "Usage" not in str(raised.value)
    with pytest.raises(UserError, match="Rename one"):
        algoperf.compare(MOMENTUM, "digits", baseline=str(MOMENTUM), share=True, output_dir=tmp_path, show=False)


def test_an_error_in_the_submission_is_raised_with_its_place(data_root, tmp_path):
    source = (MOMENTUM / "submission.py").read_text()
    (tmp_path / "broken.py").write_text(
        f"{source}\n\ndef update_params(**arguments):\n    raise ValueError('my own')\n"
    )
    with pytest.raises(SubmissionError, match=r"^ValueError: my own\nsubmission_error: update_params failed") as raised:
        algoperf.train(
            tmp_path / "broken.py", "digits", data_dir=data_root, output_dir=tmp_path / "runs", share=True, show=False
        )
    assert "broken.py" in str(raised.value)


def test_an_interruption_ends_the_trial_resumably(data_root, tmp_path):
    """As the stop button of a notebook does it: SIGINT to the process that called."""
    code = f"""
import signal
import algoperf
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in the background of a shell
try:
    algoperf.train({str(MOMENTUM)!r}, "digits", data_dir={str(data_root)!r}, output_dir={str(tmp_path)!r}, share=True,
                   eval_every_steps=100)
except KeyboardInterrupt:
    print("interrupted:", [run.ended for run in algoperf.runs({str(tmp_path)!r})])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if line.startswith("momentum_pytorch on digits"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "interrupted: [" in rest  # it may be over by then, or not have begun


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_trial_ends_resumably_when_the_script_that_called_is_ended(data_root, tmp_path, how):
    """Nobody else would end it. The kernel tells, so a script that is killed need not say anything."""
    code = f"""
import algoperf
algoperf.train({str(MOMENTUM)!r}, "digits", data_dir={str(data_root)!r}, output_dir={str(tmp_path)!r}, share=True,
               eval_every_steps=1_000_000, show=False)
"""
    trial = tmp_path / "momentum_pytorch/study_1/digits_pytorch/trial_1"
    with subprocess.Popen([sys.executable, "-c", code]) as script:
        try:
            wait_until(lambda: trains(trial))
            script.send_signal(how)
            assert script.wait() == -how
            wait_until(lambda: "interrupted: " in (trial / "log.txt").read_text())
        finally:
            script.kill()
    assert is_free(trial)
    assert algoperf.Run.read(trial).ended == "interrupted"
    assert list(trial.glob("checkpoint_*/manifest.json")), "it saved where it was"


def trains(trial):
    """Whether the trial has said that it makes steps."""
    log = trial / "log.txt"
    return log.exists() and re.search(r"step [1-9]", log.read_text())


def is_free(trial):
    """Whether no process works on the trial any more, or soon."""
    wait_until(lambda: (lock := open_locked(trial / ".lock")) is not None and lock.close() is None)
    return True


def wait_until(happened, patience_sec=200):
    deadline = time.monotonic() + patience_sec
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_comparison_is_short_until_it_is_printed(trained):
    _, run = trained
    found = Comparison("Two\nlines", {"a": [run], "b": []})
    assert repr(found) == "<Comparison of a (1 run), b (0 runs); print it to read it>"
    assert str(found) == "Two\nlines"


def test_a_check_is_a_report():
    report = algoperf.check(MOMENTUM, static_only=True)
    assert report.errors == ()
    assert "no errors" in str(report)


def test_importing_the_package_is_light():
    loaded = "sorted(name for name in sys.modules if name.startswith('algoperf'))"
    code = f"import sys, algoperf; print({loaded}, dir(algoperf))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['algoperf', 'algoperf._version'] ")
    for name in algoperf.__all__:
        assert f"'{name}'" in done.stdout
        assert getattr(algoperf, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = algoperf.trian


@pytest.mark.full
def test_a_comparison_has_the_runs_of_both(data_root, tmp_path):
    found = algoperf.compare(
        MOMENTUM, "digits", baseline="nadamw_pytorch", studies=1, data_dir=data_root, output_dir=tmp_path, show=False
    )
    assert set(found.runs) == {"momentum_pytorch", "nadamw_pytorch"}
    assert "digits" in found.text
