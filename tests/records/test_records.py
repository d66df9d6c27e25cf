"""The files of a run: rows that are never lost, and the published layout."""

import csv
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from algoperf.errors import DiskFull
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import write_json
from algoperf.records.layout import trial_dir
from algoperf.records.status import Status, read_status
from algoperf.records.trial_records import TrialRecords
from trial_runs import Run

PUBLISHED = [
    "accumulated_eval_time", "accumulated_logging_time", "accumulated_submission_time", "global_step",
    "preemption_count", "score", "test/accuracy", "test/loss", "test/num_examples", "total_duration",
    "train/accuracy", "train/loss", "validation/accuracy", "validation/loss", "validation/num_examples",
]  # fmt: skip


# --- csv files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.csv"


def test_rows_are_appended_and_missing_values_are_empty(path):
    file = CsvFile(path)
    file.append({"b": 1, "a": 2.5})
    file.append({"a": 3})
    assert path.read_text() == "a,b\n2.5,1\n3,\n"
    CsvFile(path).append({"b": 7})
    assert CsvFile(path).rows() == [{"a": "2.5", "b": "1"}, {"a": "3", "b": ""}, {"a": "", "b": "7"}]


def test_columns_that_come_late_are_added_on_the_right(path):
    file = CsvFile(path)
    file.append({"m": 1})
    file.append({"m": 2, "z": 3, "a": 4})
    file.append({"b": 5})
    assert path.read_text() == "m,a,z,b\n1,,,\n2,4,3,\n,,,5\n"
    assert CsvFile(path).rows() == file.rows()


@pytest.mark.parametrize(
    "value", [0.1, 1e-320, 1.7976931348623157e308, -0.0, 2**60, math.inf, 1 / 3, 'a, "b"', "ünï", math.nan]
)
def test_values_come_back_exactly(path, value):
    CsvFile(path).append({"x": value, "y": 1})
    text = CsvFile.read(path)[0]["x"]
    assert repr(type(value)(text)) == repr(value)


def test_a_row_is_one_line_whatever_it_says(path):
    file = CsvFile(path)
    file.append({"a": "two\nlines\r\nor more", "b": 1})
    assert len(path.read_bytes().splitlines()) == 2
    assert file.rows() == [{"a": "two lines or more", "b": "1"}]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"a,b", []),
        (b"a,b\n1,2\n", [("1", "2")]),
        (b"a,b\n1,2\n3", [("1", "2")]),
        (b"a,b\n1,2\n3,4", [("1", "2")]),
    ],
    ids=["empty", "header", "torn header", "whole", "torn row", "row without end"],
)
def test_a_row_that_a_crash_cut_off_is_dropped(path, content, rows):
    path.write_bytes(content)
    file = CsvFile(path)
    file.append({"a": 5, "b": 6})
    assert [tuple(row.values()) for row in CsvFile.read(path)] == [*rows, ("5", "6")]
    assert path.read_text().startswith("a,b\n")


def test_a_full_disk_is_an_error_and_leaves_whole_rows(path):
    """The kernel may write half of what it is given, without an error."""
    file = CsvFile(path)
    file.append({"a": 1})
    limit = path.stat().st_size + 3
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
        with pytest.raises(DiskFull, match="Not enough disk space"):
            file.append({"a": 123456789})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    file.append({"a": 2})
    assert path.read_text() == "a\n1\n2\n"


def test_widening_is_atomic(path, monkeypatch):
    file = CsvFile(path)
    file.append({"a": 1})

    def no_replace(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", no_replace)
    with pytest.raises(KeyboardInterrupt):
        file.append({"a": 2, "b": 3})
    monkeypatch.undo()
    assert path.read_text() == "a\n1\n"
    CsvFile(path).append({"a": 2, "b": 3})
    assert path.read_text() == "a,b\n1,\n2,3\n"


def test_no_acknowledged_row_is_lost_when_the_process_is_killed(path):
    """A process acknowledges every row that it has appended, and is killed while it goes on; again and again."""
    script = """
    import sys
    from pathlib import Path
    from algoperf.records.trial_records import CsvFile
    file = CsvFile(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        file.append({"number": number, "square": number**2, f"late_{number // 40}": "x" * 500}, durable=number % 2 == 0)
        print(number, flush=True)
        number += 1
    """
    moments, number = random.Random(7), 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(path), str(number)], stdout=subprocess.PIPE, text=True
        )
        with process:
            acknowledged = [int(process.stdout.readline()) for _ in range(moments.randint(10, 40))][-1]
            time.sleep(moments.uniform(0.0, 0.05))
            process.kill()
            acknowledged = [acknowledged, *map(int, process.stdout.read().split())][-1]
        rows = CsvFile.read(path)
        CsvFile(path)  # drops a torn row
        kept = [int(row["number"]) for row in CsvFile.read(path)]
        assert kept[: acknowledged + 1] == list(range(acknowledged + 1))
        assert len(kept) <= len(rows)
        assert len(kept) - (acknowledged + 1) <= 1, "at most the row that was being acknowledged is there as well"
        number = len(kept)
    assert all(int(row["square"]) == int(row["number"]) ** 2 for row in CsvFile.read(path))
    assert number > 50


# --- json and status ---------------------------------------------------------------------------------------------


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": math.nan, 1: [math.inf, -math.inf, (0.5, True, None)], "p": tmp_path})
    content = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert content == {"x": None, "1": [None, None, [0.5, True, None]], "p": str(tmp_path)}


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_a_status_that_cannot_be_read_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "status.json").write_bytes(content)
    assert read_status(tmp_path) is None


def test_every_status_has_a_label_and_an_exit_code_of_its_own():
    assert len({status.label for status in Status}) == len(Status)
    assert all(Status.from_label(status.label) is status for status in Status)
    unfinished = [status.exit_code for status in Status if not status.finished]
    assert 0 not in unfinished
    assert len(set(unfinished)) == len(unfinished)
    assert {2, 5, 6}.isdisjoint(unfinished), "these say bad input, bad data, mismatch"


def test_metrics_may_be_arrays_of_one_element(tmp_path):
    import jax.numpy as jnp
    import torch

    records = TrialRecords(tmp_path)
    records.append_scalar_metrics(
        {"loss": jnp.asarray(0.5), "grad_norm": torch.tensor([2.0]), "lr": np.float32(0.25), "note": "x", "n": 3}, 7
    )
    (row,) = CsvFile.read(tmp_path / "measurements.csv")
    assert row == {
        "global_step": "7", "grad_norm": "2.0", "loss": "0.5", "lr": "0.25", "n": "3", "note": "x",
        "preemption_count": "0",
    }  # fmt: skip
    with pytest.raises((TypeError, ValueError)):
        records.append_scalar_metrics({"loss": None}, 8)


def test_evaluations_are_completed_in_each_file_by_itself(tmp_path):
    """A crash after the checkpoint leaves no row, or a row in one file only."""
    known = [(step, {"validation/loss": step / 10, "accumulated_eval_time": float(step)}) for step in (1, 2, 3)]
    records = TrialRecords(tmp_path)
    records.append_scalar_metrics({"loss": 1.0}, 1)
    records.append_scalar_metrics(known[0][1], 1, is_eval=True)
    CsvFile(tmp_path / "measurements.csv").append({**known[1][1], "global_step": 2, "preemption_count": 0})
    for _ in range(2):
        records = TrialRecords(tmp_path)
        records.preemption_count = 1
        records.complete_evaluations(known)
        rows = CsvFile.read(tmp_path / "eval_measurements.csv")
        assert [row["global_step"] for row in rows] == ["1", "2", "3"]
        logged = CsvFile.read(tmp_path / "measurements.csv")
        assert [row["global_step"] for row in logged] == ["1", "1", "2", "3"]
        assert {row["preemption_count"] for row in rows} == {"0"}


def test_folders_are_the_published_ones(tmp_path):
    found = trial_dir(tmp_path, "nadamw", 2, "digits", "jax", 1)
    assert found == tmp_path / "nadamw" / "study_2" / "digits_jax" / "trial_1"


# --- a real run --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory, repository, data_root):
    options = {"ruleset": "external", "max_global_steps": 40, "eval_every_steps": 20}
    made = Run(
        repository / "submissions" / "baselines" / "nadamw_pytorch",
        "pytorch",
        data_root,
        tmp_path_factory.mktemp("runs"),
        options,
    )
    assert made.here() == 0
    return made


def test_a_run_has_the_published_files_and_columns(run):
    names = {path.name for path in run.trial.iterdir()}
    assert names == {
        ".lock", "checkpoint_40", "eval_measurements.csv", "flags_0.json", "hparams.json", "measurements.csv",
        "meta_data_0.json", "status.json",
    }  # fmt: skip
    with (run.trial / "eval_measurements.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == PUBLISHED
    assert all(len(row) == len(header) and "" not in row for row in rows)
    assert [row["score"] for row in run.rows] == [row["accumulated_submission_time"] for row in run.rows]
    assert {row["validation/num_examples"] for row in run.rows} == {"300"}


def test_measurements_hold_training_rows_evaluations_and_the_final_score(run):
    rows = CsvFile.read(run.trial / "measurements.csv")
    assert [row["global_step"] for row in rows] == ["0", "20", "40", "40"]
    assert [bool(row["grad_norm"]) for row in rows] == [True, False, False, False]
    assert {name for name, value in rows[-1].items() if value} == {"global_step", "score", "preemption_count"}
    assert float(rows[-1]["score"]) >= float(rows[-2]["score"])


def test_what_describes_a_run(run):
    meta = json.loads((run.trial / "meta_data_0.json").read_text())
    for name in ("workload.max_allowed_runtime_sec", "workload.step_hint", "workload.validation_target_value",
                 "workload.target_metric_name", "rng_seed", "git_commit_hash", "mem.total", "versions"):  # fmt: skip
        assert name in meta
    flags = json.loads((run.trial / "flags_0.json").read_text())
    assert flags["command"][:2] == ["algoperf", "train"]
    assert flags["workload"] == "digits"
    hyperparameters = json.loads((run.trial / "hparams.json").read_text())
    assert hyperparameters == run.status["hyperparameters"]
    status = run.status
    assert status["last_evaluation"]["metrics"]["validation/loss"] == float(run.rows[-1]["validation/loss"])
    for name in ("submission_hash", "versions", "hardware", "dataset", "seconds", "targets", "budget_sec"):
        assert status[name], name
    seconds = status["seconds"]
    assert seconds["submission"] >= seconds["data_wait"] + seconds["update"] + seconds["prepare_for_eval"]


def test_rows_that_others_add_are_no_rows(tmp_path):
    """Neither before the first row, nor when a new column needs a new file."""
    path = tmp_path / "eval.csv"
    file = CsvFile(path, keeps_content=True)
    for step in range(2):
        with path.open("a") as others:
            others.write("accuracy,score\n1.0,0.1\n")
        file.append({"step": step, f"loss_{step}": 2.5})
    with path.open("a") as others:
        others.write("9,9,9\n")
    expected = [{"step": "0", "loss_0": "2.5", "loss_1": ""}, {"step": "1", "loss_0": "", "loss_1": "2.5"}]
    assert [dict(row) for row in file.rows()] == [{**row} for row in expected]
    assert file.was_changed()
    file.restore()
    assert file.was_changed(), "it was, once"
    assert CsvFile.read(path) == file.rows()
