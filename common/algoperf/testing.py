"""For tests of submissions: train a few real steps."""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from algoperf.checkpoint import checkpoints, step_of
from algoperf.records.layout import EVAL_FILE, LOG_FILE, STATUS_FILE, trial_dir
from algoperf.submission.loading import submission_file, submission_name
from algoperf.system import algoperf_command
from algoperf.tuning.ruleset import Ruleset
from algoperf.workload.definition import Framework

_BATCH_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # in PyTorch, beside the parameters
_SAME = 1e-3  # how far two runs may be apart, relative to the way that training went
_ROUNDING = 1e-5  # relative to the parameters; smaller changes are rounding errors


def train_on_digits(
    submission: Path, *, framework: Framework, ruleset: Ruleset, num_steps: int = 40, num_evaluations: int = 4
) -> list[float]:
    """Train a submission on digits in a separate process; returns the training loss at each evaluation.

    It measures no times, so it trains beside other trials, and waits for none.
    `num_steps` must be a multiple of `num_evaluations`. Raises AssertionError with the output if training fails.
    """
    with _on_digits(submission, framework, ruleset, num_steps, num_evaluations) as trial:
        trial.run(checkpoints="none")
        return trial.losses()


def check_on_digits(
    submission: Path, *, framework: Framework, ruleset: Ruleset, num_steps: int = 40, num_evaluations: int = 4
) -> list[float]:
    """The same, and raises AssertionError for what no sound submission does, however small its learning rate is.

    Loss and parameters have to stay finite, parameters have to change, and a trial that goes on from a checkpoint has
    to get where it got without an interruption. There have to be two evaluations at least.
    """
    with _on_digits(submission, framework, ruleset, num_steps, num_evaluations) as trial:
        trial.run(checkpoints="all")
        losses, found = trial.losses(), checkpoints(trial.directory)
        if not all(map(math.isfinite, losses)):
            raise AssertionError(f"The loss is not finite: {losses}. Try a smaller learning rate.")
        if len(found) < 2:
            raise AssertionError(f"There are no checkpoints to go on from: does the log say why?\n{trial.log()}")
        first, last = _parameters(found[0]), _parameters(found[-1])
        steps = f"step {step_of(found[0])} to step {step_of(found[-1])}"
        if bad := [name for name, array in last.items() if not np.isfinite(array).all()]:
            raise AssertionError(f"Parameters are not finite: {', '.join(bad)}. Try a smaller learning rate.")
        if all(np.array_equal(array, first[name]) for name, array in last.items()):
            raise AssertionError(f"No parameter changes from {steps}: are updates applied? Is the rate above 0?")
        shutil.rmtree(found[-1])
        (trial.directory / STATUS_FILE).unlink()
        trial.run(checkpoints="all")
        _require_same(_parameters(found[-1]), last, first, steps)
        return losses


@dataclass(frozen=True)
class _Trial:
    """One trial on digits, whose data is in `root`."""

    root: Path
    submission: Path
    framework: Framework
    ruleset: Ruleset
    num_steps: int
    num_evaluations: int

    @property
    def directory(self) -> Path:
        """Its records."""
        name = submission_name(submission_file(self.submission))
        return trial_dir(self.root / "runs", name, 1, "digits", self.framework, 1)

    def run(self, *, checkpoints: str) -> None:
        """Begin it, or go on from its last checkpoint."""
        _call(
            "train", "--share", data_dir=self.root / "data", output_dir=self.root / "runs", framework=self.framework,
            submission=self.submission, ruleset=self.ruleset, max_global_steps=self.num_steps,
            eval_every_steps=self.num_steps // self.num_evaluations, checkpoints=checkpoints,
        )  # fmt: skip

    def losses(self) -> list[float]:
        """The training loss at each evaluation."""
        with (self.directory / EVAL_FILE).open(newline="", encoding="utf-8") as file:
            return [float(row["train/loss"]) for row in csv.DictReader(file)]

    def log(self) -> str:
        """What it printed."""
        return (self.directory / LOG_FILE).read_text(encoding="utf-8", errors="replace")


@contextmanager
def _on_digits(
    submission: Path, framework: Framework, ruleset: Ruleset, num_steps: int, num_evaluations: int
) -> Iterator[_Trial]:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        _call("download", raw_dir=root / "raw")
        _call("preprocess", raw_dir=root / "raw", data_dir=root / "data")
        yield _Trial(root, submission, framework, ruleset, num_steps, num_evaluations)


def _parameters(checkpoint: Path) -> dict[str, np.ndarray]:
    """The parameters in a checkpoint, without statistics of the model, in double precision."""
    arrays = load_file(checkpoint / "model.safetensors")
    return {
        name: array.astype(np.float64)
        for name, array in arrays.items()
        if name.startswith("params/") and name.rpartition(".")[2] not in _BATCH_STATISTICS
    }


def _require_same(
    found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], start: Mapping[str, np.ndarray], steps: str
) -> None:
    apart = _norm({name: found[name] - array for name, array in wanted.items()})
    way = _norm({name: start[name] - array for name, array in wanted.items()}) + _ROUNDING * _norm(wanted)
    if not apart <= _SAME * way:
        raise AssertionError(
            f"After an interruption it trains differently: parameters end {100 * apart / way:.3g} % of their way from "
            f"{steps} apart. Keep what steps share in the optimizer state, and nothing in globals; `algoperf check` "
            "says more (rule 15.3)."
        )


def _norm(arrays: Mapping[str, np.ndarray]) -> float:
    return math.sqrt(sum(float(np.square(array).sum()) for array in arrays.values()))


def _call(command: str, *flags: str, **options: object) -> None:
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words = algoperf_command(command, "--workload", "digits", *flags, *given)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"algoperf {command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
