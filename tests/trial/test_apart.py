"""Evaluations apart: a clean process evaluates, while all processes of the trial stand still."""

import contextlib
import json
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from algoperf.trial.apart.evaluations import EvaluationsApart
from algoperf.trial.request import Request, where_evaluated
from places import TEST_SUBMISSIONS
from trial_runs import PATIENCE_SEC, Run

CHEATS = Path(__file__).parents[1] / "cheats"
METRICS = ("train/", "validation/", "test/")
SHORT = {"max_global_steps": 20}


def metrics(run: Run) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name.startswith(METRICS)} for row in run.rows]


def account(run: Run) -> dict:
    return json.loads((run.trial / "referee.json").read_text())


@pytest.fixture
def nadamw(repository, data_root, tmp_path):
    """A function that makes a run of the baseline."""

    def made(name: str, framework: str = "pytorch", **options) -> Run:
        submission = repository / "submissions" / "baselines" / f"nadamw_{framework}"
        return Run(submission, framework, data_root, tmp_path / name, {"ruleset": "external", **options})

    return made


@pytest.mark.parametrize("framework", ["pytorch", "jax"])
def test_metrics_are_those_of_an_evaluation_within_the_trial(nadamw, framework):
    found = []
    for evaluation in ("apart", "together"):
        run = nadamw(evaluation, framework, evaluation=evaluation, **SHORT)
        code, output = run.finish()
        assert code == 0, output
        assert (account(run)["evaluation"], account(run)["problems"]) == (evaluation, [])
        assert not list(run.trial.glob(".snapshot*"))
        found.append(metrics(run))
    assert len(found[0]) == 2
    assert found[0] == found[1]


def test_a_target_is_verified_when_it_is_reached(nadamw):
    run = nadamw("target", evaluation="apart", max_global_steps=None, eval_every_steps=20, checkpoints="none")
    code, output = run.finish()
    assert code == 0, output
    step = run.status["target_reached_at"]["global_step"]
    assert f"verified: step {step} was evaluated in a process without the submission's code, and agrees" in output
    (record,) = json.loads((run.trial / "evaluation.json").read_text())["checkpoints"]
    assert (record["checkpoint"], record["evaluation"], record["mismatches"]) == (f"checkpoint_{step}", "apart", [])
    assert record["recorded"] == record["recomputed"]


def test_a_resumed_trial_is_the_same(data_root, tmp_path, monkeypatch):
    runs = [
        Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, tmp_path / name, {**SHORT, "evaluation": "apart"})
        for name in ("whole", "resumed")
    ]
    for run, fault, expected in ((runs[0], 500, 0), (runs[1], 15, 3), (runs[1], 500, 0)):
        monkeypatch.setenv("FAULT", f"update_params {fault} raise")
        code, output = run.finish()
        assert code == expected, output
    assert metrics(runs[0]) == metrics(runs[1])
    assert len(runs[0].rows) == 2


def test_what_the_trial_tells_is_replaced_by_what_was_found(tmp_path):
    """Neither other metrics nor an evaluation that the trial only tells of get into the records."""
    notes: list[str] = []
    heard: list[dict] = []
    apart = EvaluationsApart({}, tmp_path, notes.append)
    apart.metrics[3] = {"validation/accuracy": 0.5}
    hear = apart.listening(lambda message, at: heard.append(message) or {})
    for step in (3, 4):
        told = {"validation/accuracy": 0.99, "score": 1.0}
        hear({"kind": "evaluated", "global_step": step, "metrics": told}, 0.0)
    assert heard[0]["metrics"] == {"validation/accuracy": 0.5, "score": 1.0}
    assert math.isnan(heard[1]["metrics"]["validation/accuracy"])
    assert ["other metrics at step 3" in notes[0], "step 4 that was not made" in notes[1]] == [True, True]


# --- accidents while the trial stands still ---------------------------------------------------------------------


@pytest.fixture
def run(request, data_root, tmp_path) -> Run:
    """A trial with very many evaluations, whose submission has a detached program, or another process, running."""
    cheat = getattr(request, "param", "detached_program")
    options = {"evaluation": "apart", "max_global_steps": 2000, "eval_every_steps": 1}
    return Run(CHEATS / cheat, "pytorch", data_root, tmp_path, options)


@pytest.fixture
def standing(run) -> Iterator[SimpleNamespace]:
    """A trial in the middle of an evaluation: parent, trainer, clean process (which waits, too), and what else runs."""
    with run.start() as process:
        parent = psutil.Process(process.pid)
        found = None
        try:
            found = _in_the_middle(parent, run)
            yield found
        finally:
            for each in [parent] if found is None else [found.process, parent]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.resume() if each != parent else each.kill()
            process.wait()
            assert found is None or ended(found.trainer, found.process, *found.others)


def _in_the_middle(parent: psutil.Process, run: Run) -> SimpleNamespace:
    deadline = time.monotonic() + PATIENCE_SEC
    while time.monotonic() < deadline:
        time.sleep(0.01)
        if not (run.trial / "referee.json").exists() or len(run.rows) < 2:
            continue
        try:
            named = {"process" if "algoperf.trial.apart.process" in each.cmdline() else "trainer": each
                     for each in sorted(parent.children(), key=psutil.Process.create_time, reverse=True)
                     if "algoperf" in " ".join(each.cmdline())}  # fmt: skip
            others = [each for each in parent.children(recursive=True) if each not in named.values()]
            if len(named) < 2 or not others or named["trainer"].status() != psutil.STATUS_STOPPED:
                continue
            named["process"].suspend()
            time.sleep(0.2)  # what it has said already is heard
            if named["trainer"].status() == psutil.STATUS_STOPPED:
                return SimpleNamespace(parent=parent, others=others, **named)
            named["process"].resume()
        except psutil.NoSuchProcess:
            continue
    raise AssertionError("the trial never stood still")


def ended(*processes: psutil.Process) -> bool:
    gone, _ = psutil.wait_procs(processes, timeout=PATIENCE_SEC)
    return len(gone) == len(processes)


@pytest.mark.parametrize(
    "run",
    [
        "detached_program",
        pytest.param("double_fork", marks=pytest.mark.full),
        pytest.param("loader_workers", marks=pytest.mark.full),
    ],
    indirect=True,
)
def test_everything_stands_still(run, standing):
    del run
    assert {each.status() for each in standing.others} == {psutil.STATUS_STOPPED}
    assert standing.parent.status() != psutil.STATUS_STOPPED


def test_the_trainer_is_killed(run, standing):
    standing.trainer.kill()
    assert ended(standing.parent, standing.process, *standing.others)
    assert (run.status["status"], len(run.rows)) == ("interrupted", len(account(run)["evaluations"]))


def test_the_parent_is_killed(run, standing):
    standing.parent.kill()
    standing.process.resume()
    assert ended(standing.trainer, standing.process, *standing.others)
    assert all(row["validation/accuracy"] for row in run.rows)


def test_the_clean_process_is_killed_and_another_one_takes_over(run, standing):
    before = len(run.rows)
    standing.process.kill()
    deadline = time.monotonic() + PATIENCE_SEC
    while len(run.rows) < before + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(run.rows) >= before + 2
    standing.parent.send_signal(signal.SIGINT)
    assert ended(standing.parent, standing.trainer, *standing.others)
    assert (run.status["status"], account(run)["problems"]) == ("interrupted", [])


def test_a_signal_ends_the_trial_after_the_evaluation(run, standing):
    standing.parent.send_signal(signal.SIGINT)
    standing.process.resume()
    assert ended(standing.parent, standing.trainer, standing.process, *standing.others)
    assert (run.status["status"], account(run)["problems"]) == ("interrupted", [])
    assert run.checkpoint.name == f"checkpoint_{run.rows[-1]['global_step']}"


def test_what_goes_on_meanwhile_is_named(run, standing):
    (program,) = standing.others
    program.resume()
    time.sleep(1.0)
    standing.process.resume()
    standing.parent.send_signal(signal.SIGINT)
    assert ended(standing.parent)
    assert "computed for" in " ".join(account(run)["problems"])


# --- the default ------------------------------------------------------------------------------------------------


def request(**changes) -> Request:
    given = dict(workload="digits", framework="pytorch", submission=TEST_SUBMISSIONS / "faulty", ruleset="self",
                 data_dir=Path("data"), output_dir=Path("runs"))  # fmt: skip
    return Request(**{**given, **changes})


@pytest.mark.parametrize(
    ("gpu", "num_processes", "changes", "expected"),
    [
        (False, 1, {}, "apart"),
        (True, 1, {}, "together"),
        (False, 2, {}, "together"),
        (False, 1, {"skip_evals": True}, "together"),
        (False, 1, {"submission": None, "model": Path("published")}, "together"),
        (True, 2, {"evaluation": "apart"}, "apart"),
        (False, 1, {"evaluation": "together"}, "together"),
    ],
)
def test_the_default_is_apart_for_one_process_on_the_cpu(monkeypatch, gpu, num_processes, changes, expected):
    monkeypatch.setattr("algoperf.trial.request.has_gpu_driver", lambda: gpu)
    assert where_evaluated(request(**changes), num_processes) == expected


def test_a_trial_by_default_is_evaluated_apart_and_says_so(nadamw, monkeypatch):
    monkeypatch.delenv("ALGOPERF_EVALUATION")
    run = nadamw("default", **SHORT)
    code, output = run.finish()
    assert code == 0, output
    assert account(run)["evaluation"] == "apart"
    for each in account(run)["evaluations"]:
        assert 0 < each["stood_sec"] < each["evaluation_sec"]
