"""`algoperf export`: runs in TensorBoard and Weights & Biases, read back by their own tools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.records.trial_records import TrialRecords

PLACE = Path("mine/study_1/digits_pytorch/trial_1")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "algoperf", "export", *map(str, arguments)]


@pytest.fixture
def records(tmp_path: Path) -> TrialRecords:
    """A trial that has logged a loss at two steps and was evaluated once."""
    records = TrialRecords(tmp_path / "runs" / PLACE)
    records.append_scalar_metrics({"loss": 2.5}, 1)
    records.append_scalar_metrics({"loss": 1.5, "grad_norm": float("nan")}, 2)
    records.append_scalar_metrics({"validation/accuracy": 0.5, "score": 1.25}, 3, is_eval=True)
    records.write_status({"status": "running", "seed": 0})
    return records


def end(records: TrialRecords) -> None:
    records.append_scalar_metrics({"validation/accuracy": 0.97, "score": 2.5}, 6, is_eval=True)
    reached = {"global_step": 6, "submission_sec": 2.5}
    records.write_status({"status": "target_reached", "seed": 0, "target_reached_at": reached})


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    names = found.Tags()["tensors"]
    values = {name: [(one.step, float(one.tensor_proto.float_val[0])) for one in found.Tensors(name)] for name in names}
    return values or {name: [(one.step, one.value) for one in found.Scalars(name)] for name in found.Tags()["scalars"]}


@pytest.mark.parametrize("times", [1, 2], ids=["once", "again"])
def test_tensorboard_reads_every_number_once(records, tmp_path, times):
    pytest.importorskip("tensorboard")
    end(records)
    for _ in range(times):
        subprocess.run(
            command(tmp_path / "runs", "--to", "tensorboard", "--output", tmp_path / "out"), check=True,
            capture_output=True,
        )  # fmt: skip
    assert scalars(tmp_path / "out/tensorboard" / PLACE) == {
        "loss": [(1, 2.5), (2, 1.5)],
        "validation/accuracy": [(3, 0.5), (6, pytest.approx(0.97))],
        "score": [(3, 1.25), (6, 2.5)],
    }


def test_a_run_is_followed_to_its_end(records, tmp_path):
    pytest.importorskip("tensorboard")
    following = command(tmp_path / "runs", "--to", "tensorboard", "--output", tmp_path / "out", "--follow")
    with subprocess.Popen(
        following, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        try:
            assert process.stdout.readline() == f"showing {PLACE}\n"
            end(records)
            assert process.stdout.readline() == f"ended: {PLACE}\n"
        finally:
            process.send_signal(signal.SIGINT)
        assert "Shown: 1 run in tensorboard" in process.stdout.read()
    assert process.returncode == 0
    assert scalars(tmp_path / "out/tensorboard" / PLACE)["score"] == [(3, 1.25), (6, 2.5)]


def test_wandb_gets_a_run_without_a_network(records, tmp_path):
    """Offline, as on a machine without an account: what it would send is in a file."""
    pytest.importorskip("wandb")
    end(records)
    offline = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = subprocess.run(
        command(tmp_path / "runs", "--to", "wandb", "--output", tmp_path / "out"), capture_output=True, text=True,
        env=offline, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [file] = (tmp_path / "out").rglob("run-*.wandb")
    content = file.read_bytes()
    for text in (b"validation/accuracy", b"seconds_to_target", b"target_reached", str(PLACE).encode()):
        assert text in content, text


def test_mistakes_are_explained(records, tmp_path):
    for arguments, words in (
        ((tmp_path / "runs", "--to", "tensorbord"), "Did you mean 'tensorboard'"),
        ((tmp_path / "nowhere", "--to", "tensorboard"), "There are no runs with evaluations in"),
    ):
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr


def test_a_missing_package_is_named(records, tmp_path):
    """Nobody needs these packages for anything else."""
    code = (
        "import sys; sys.modules['tensorboard'] = None; from algoperf.cli import main; "
        f"main(['export', {str(tmp_path / 'runs')!r}, '--to', 'tensorboard'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install tensorboard" in done.stderr
