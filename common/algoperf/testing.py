"""For tests of submissions: train a few real steps."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from pathlib import Path

from algoperf.records.layout import trial_dir
from algoperf.submission.loading import submission_file, submission_name
from algoperf.system import algoperf_command
from algoperf.tuning.ruleset import Ruleset
from algoperf.workload.definition import Framework


def train_on_digits(
    submission: Path, *, framework: Framework, ruleset: Ruleset, num_steps: int = 40, num_evaluations: int = 4
) -> list[float]:
    """Train a submission on digits in a separate process; returns the training loss at each evaluation.

    It measures no times, so it trains beside other trials, and waits for none.
    `num_steps` must be a multiple of `num_evaluations`. Raises AssertionError with the output if training fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        data, raw, runs = root / "data", root / "raw", root / "runs"
        _call("download", raw_dir=raw)
        _call("preprocess", raw_dir=raw, data_dir=data)
        _call(
            "train", "--share", data_dir=data, output_dir=runs, framework=framework, submission=submission,
            ruleset=ruleset, max_global_steps=num_steps, eval_every_steps=num_steps // num_evaluations,
            checkpoints="none",
        )  # fmt: skip
        name = submission_name(submission_file(submission))
        rows = trial_dir(runs, name, 1, "digits", framework, 1) / "eval_measurements.csv"
        with rows.open(newline="", encoding="utf-8") as file:
            return [float(row["train/loss"]) for row in csv.DictReader(file)]


def _call(command: str, *flags: str, **options: object) -> None:
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words = algoperf_command(command, "--workload", "digits", *flags, *given)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"algoperf {command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
