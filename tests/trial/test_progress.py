"""What users see while a trial runs."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest
from rich.console import Console

from algoperf.records.status import Status
from algoperf.text import duration
from algoperf.trial.clock import Clock
from algoperf.trial.live_line import LiveLine, State
from algoperf.trial.progress import ParentDisplay, PlainDisplay, Progress
from algoperf.trial.screen import Screen
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


def clock_at(own_sec, official_sec=None):
    """A clock of a trial's process, whose parent has charged `official_sec`; by default the same."""
    clock = Clock()
    clock.times.submission = own_sec
    clock.agree(own_sec if official_sec is None else official_sec)
    return clock


def test_plain_lines_say_how_it_stands(settings):
    stream = io.StringIO()
    progress = Progress(settings, PlainDisplay(stream))
    progress.step(1, clock_at(1.0), next_evaluation_sec=0.5)
    progress.step(101, clock_at(3.0), next_evaluation_sec=0.5)
    progress.evaluation(101, {"validation/accuracy": 0.5, "score": 3.0})
    progress.step(400, clock_at(4.0), next_evaluation_sec=-0.1)
    progress.end(Status.MAX_STEPS_REACHED, "Stopped.")
    assert stream.getvalue().splitlines() == [
        "s on digits (jax), study 2, trial 3: validation/accuracy target >= 0.96",
        "step 1 | clock 1.0 of 60 s | at most 59 s to go | evaluation in 0.5 s",  # no rate of a step that compiles
        "step 101 | clock 3.0 of 60 s | 50 steps/s | at most 6.0 s to go | evaluation in 0.5 s",
        "step 101, clock 3.00 of 60 s: validation/accuracy 0.5 (target >= 0.96)",
        "step 400 | clock 4.0 of 60 s | 299 steps/s",  # nothing is left to go
        "max_steps_reached: Stopped.",
    ]


def test_targets_are_said_when_they_are_reached_and_what_is_left(settings):
    stream = io.StringIO()
    progress = Progress(settings, PlainDisplay(stream))
    metrics = {"validation/accuracy": 0.97, "test/accuracy": 0.93, "score": 3.0}
    progress.evaluation(7, metrics, ["validation"], ["test"])
    progress.evaluation(8, metrics, [], ["test"])
    progress.evaluation(9, metrics, ["test"], [])
    progress.evaluation(9, metrics, ["validation", "test"], [])
    progress.evaluation(9, metrics, ["test"], ["validation"])  # no news: it does not end training
    goal = "validation/accuracy 0.97 (target >= 0.96)"
    said = [line.partition(" s: ")[2] for line in stream.getvalue().splitlines()[1:]]
    assert said == [
        f"{goal}: reached; test/accuracy 0.93 (target >= 0.94) not yet",
        goal,
        f"{goal}, test/accuracy 0.93 (target >= 0.94): reached",
        f"{goal}: reached",
        goal,
    ]


def test_a_flood_of_evaluations_is_thinned_out_but_news_are_not(monkeypatch):
    """On a slow machine, one may follow every step. The log gets all of them."""
    told: list[str] = []
    monkeypatch.setattr("algoperf.trial.messages.tell", lambda kind, text: told.append(f"{kind}: {text}"))
    stream, times = io.StringIO(), {26: 100.0}
    number = 0
    display = ParentDisplay(stream, now=lambda: times.get(number, 0.0))
    for number in range(1, 31):
        display.evaluation(f"evaluation {number}", is_news=number == 20)
    display.close()
    assert stream.getvalue().splitlines() == [
        *(f"evaluation {number}" for number in range(1, 11)),
        "... 9 evaluations before this in the trial's log.txt only",
        "evaluation 20",
        "... 5 evaluations before this in the trial's log.txt only",
        "evaluation 26",
        "... 4 evaluations before this in the trial's log.txt only",
    ]
    assert told == [f"unshown: evaluation {number}" for number in range(1, 31) if number not in (*range(11), 20, 26)]


def test_the_log_has_every_evaluation(repository, data_root, tmp_path):
    command = train(repository, data_root, tmp_path, "--max-global-steps", "40", "--eval-every-steps", "1")
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    log = (tmp_path / "template/study_1/digits_pytorch/trial_1/log.txt").read_text()
    steps = re.findall(r"^step (\d+), clock", log, re.MULTILINE)
    assert sorted(map(int, steps)) == list(range(1, 41))
    first = re.findall(r"^step (\d+), clock", shown, re.MULTILINE)[:10]
    assert first == [str(step) for step in range(1, 11)]


def test_a_resumed_trial_has_no_rate_at_first(settings):
    stream = io.StringIO()
    Progress(settings, PlainDisplay(stream)).step(301, clock_at(20.0), next_evaluation_sec=1.0)
    assert "steps/s" not in stream.getvalue()


def test_lines_have_the_parents_clock_and_the_rate_of_the_own(settings):
    stream = io.StringIO()
    progress = Progress(settings, PlainDisplay(stream))
    progress.step(1, clock_at(1.0), next_evaluation_sec=0)
    progress.step(11, clock_at(2.0, official_sec=1.5), next_evaluation_sec=0)  # an evaluation told that we are ahead
    assert stream.getvalue().splitlines()[-1].startswith("step 11 | clock 1.5 of 60 s | 10 steps/s | ")


STATE = State(("step 123456", "clock 21600.5 of 77520 s", "3.21 steps/s", "at most 15.5 h to go"), 0.28)


@pytest.mark.parametrize("width", range(1, 140))
def test_the_live_line_fits_any_width(width):
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, no_color=True, highlight=False).print(LiveLine(STATE))
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue()).splitlines()
    assert len(lines) == 1
    assert len(lines[0]) <= width
    fields = [field for field in STATE.fields if field in lines[0]]
    assert fields == list(STATE.fields[: len(fields)])  # the least important ones are left out first
    assert len(fields) == 4 or width < 91
    assert fields or width < len(STATE.fields[0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (9.96, "10 s"), (119, "119 s"), (121, "2 min"), (7100, "118 min"),
     (7300, "2.0 h"), (90000, "25.0 h")],
)  # fmt: skip
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_plain_lines_are_rare(settings):
    progress = Progress(settings, PlainDisplay(io.StringIO()))
    assert [progress.due(now) for now in (0.0, 0.1, 4.9, 5.0, 5.1, 25.0)] == [
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


def train(repository, data_root, output, *more):
    return [
        sys.executable, "-m", "algoperf", "train", "--workload", "digits", "--framework", "pytorch", "--ruleset",
        "self", "--submission", repository / "submissions/template", "--data-dir", data_root,
        "--output-dir", output, *more,
    ]  # fmt: skip


def test_on_a_terminal_the_state_is_redrawn_in_place(repository, data_root, tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    command = train(repository, data_root, tmp_path, "--max-global-steps", "40")
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        text = read_all(ours)
    assert process.returncode == 0, text
    assert "\x1b[2K" in text
    assert "max_steps_reached: Stopped after 40 steps, as asked for." in text
    drawn = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", text)]
    states = [line for line in drawn if "━" in line]
    assert states
    assert max(map(len, states)) <= 50
    log = (tmp_path / "template/study_1/digits_pytorch/trial_1/log.txt").read_text()
    assert "max_steps_reached: Stopped after 40 steps, as asked for.\n" in log
    assert "\x1b" not in log


def test_the_end_says_time_metrics_and_where_the_records_are(repository, data_root, tmp_path):
    """With the time of the last evaluation; said again when the trial is asked for once more. The log has it all."""
    command = train(repository, data_root, tmp_path, "--max-global-steps", "20")
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    folder = tmp_path / "template/study_1/digits_pytorch/trial_1"
    end = first.splitlines()[-3:]
    found = re.fullmatch(
        r"  validation target not reached in 20 steps, (clock \d+\.\d\d of 90 s) \(.* with evaluations\)", end[0]
    )
    assert found
    assert f"step 20, {found[1]}: validation/accuracy" in first
    assert re.fullmatch(r"  validation/accuracy .* \(target >= 0.96\), test/accuracy .* \(target >= 0.94\)", end[1])
    assert end[2] == f"  records: {folder}"
    assert second.splitlines()[-2:] == end[:2]
    head, *shown = (folder / "log.txt").read_text().splitlines()
    assert re.match(r"--- \d{4}-.*: algoperf train --workload digits ", head)
    assert shown == first.splitlines()


def test_the_log_has_what_a_submission_prints_and_its_traceback(repository, data_root, tmp_path):
    """Standard output and error stay apart for the caller."""
    submission = tmp_path / "loud"
    submission.mkdir()
    source = (repository / "submissions/template/submission.py").read_text()
    (submission / "submission.py").write_text(source + LOUD)
    command = train(repository, data_root, tmp_path / "runs", "--submission", submission)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "loud step 0\n" in done.stdout
    assert "to standard error\n" in done.stderr
    assert "standard error" not in done.stdout
    log = (tmp_path / "runs/loud/study_1/digits_pytorch/trial_1/log.txt").read_text()
    for text in ("loud step 0\n", "to standard error\n", "in deeper", "ValueError: enough"):
        assert text in log, text
    assert "trial/calls.py" in log, "frames of the harness"
    assert "trial/calls.py" not in done.stdout


LOUD = """

def deeper():
    raise ValueError("enough")


def update_params(*, global_step, **others):
    import sys
    print("loud step", global_step)
    print("to standard error", file=sys.stderr)
    deeper()
"""


def test_a_mistake_leaves_no_log(repository, data_root, tmp_path):
    command = train(repository, data_root, tmp_path / "runs", "--submission", tmp_path / "submission.py")
    (tmp_path / "submission.py").write_text("import no_such_package\n")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert not (tmp_path / "runs").exists()


def test_nothing_is_silent_for_long(tmp_path, monkeypatch, capfd):
    """What goes on is said again and again while nothing else is printed, with how long it takes."""
    monkeypatch.setattr("algoperf.trial.screen.SILENCE_SEC", 0.05)
    monkeypatch.setattr("algoperf.trial.screen.REFRESH_SEC", 0.01)
    log = tmp_path / "log.txt"
    with Screen(log, ["algoperf", "train"]) as screen:
        wait_for(log, r"waiting for the devices \| .* s so far")
        screen.hear({"kind": "clock", "global_step": 0})
        wait_for(log, r"the first step, which may compile \| .* s so far")
        screen.hear({"kind": "progress", "fields": ["step 7", "clock 1 of 60 s"], "share": 0.1})
        wait_for(log, r"\nstep 7 \| ")
        screen.hear({"kind": "progress", "fields": "forged", "share": None})  # a stranger's code shares the process
        screen.hear({"kind": "evaluation", "global_step": 7})
        wait_for(log, r"evaluating at step 7 \| .* s so far \| clock 1 of 60 s")
        os.write(1, b"half a line")
    shown = capfd.readouterr().out
    assert shown.endswith("half a line")
    assert shown == log.read_text().partition("\n")[2]


def test_what_is_told_for_the_log_stands_between_lines(tmp_path, capfd):
    log = tmp_path / "log.txt"
    with Screen(log, ["algoperf", "train"]) as screen:
        screen.hear({"kind": "traceback", "text": "first"})
        os.write(1, b"half")
        wait_for(log, "half")
        screen.hear({"kind": "traceback", "text": "second"})
        os.write(1, b" a line\nand")
        wait_for(log, "and")
        screen.hear({"kind": "traceback", "text": "third"})
    assert log.read_text().partition("\n")[2] == "first\nhalf a line\nsecond\nand\nthird\n"
    assert capfd.readouterr().out == "half a line\nand"


def wait_for(file, pattern):
    deadline = time.monotonic() + 60
    while not re.search(pattern, file.read_text()):
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.01)


def read_all(descriptor):
    parts = []
    with contextlib.suppress(OSError):  # raised when the other side is gone
        while part := os.read(descriptor, 4096):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()
