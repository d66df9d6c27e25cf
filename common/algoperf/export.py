"""Shows runs in TensorBoard or Weights & Biases: reads their records, while they run or later.

It is a process of its own that nothing of a trial knows: it cannot take time from a clock but by the little that it
computes, and it works for runs of campaigns, of containers and of other machines alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from algoperf.errors import UserError, did_you_mean_path
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE, MEASUREMENTS_FILE
from algoperf.records.status import Status, read_status
from algoperf.system import STOPS

PERIOD_SEC = 2.0
_PATTERN = "*/study_*/*/trial_*"
_NO_VALUES = ("global_step", "preemption_count")
_PROJECT = "algoperf"


class Sink(Protocol):
    """Where one run is shown."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Show values of a step."""
        ...

    def close(self, status: Mapping[str, Any]) -> None:
        """The run has ended, or nobody follows it any more."""
        ...


class TensorBoard:
    """Event files in a folder per run."""

    def __init__(self, root: Path, place: Path) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise _missing("tensorboard") from None
        folder = root / "tensorboard" / place
        if folder.is_dir():
            for earlier in folder.glob("events.out.tfevents.*"):  # of an earlier call, which wrote the same
                earlier.unlink()
        self._writer = Writer(str(folder))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See Sink."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, status: Mapping[str, Any]) -> None:
        """See Sink."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases. Its own variables apply, such as `WANDB_MODE=offline` and `WANDB_PROJECT`."""

    def __init__(self, root: Path, place: Path) -> None:
        try:
            import wandb
        except ImportError:
            raise _missing("wandb") from None
        root.mkdir(parents=True, exist_ok=True)
        submission, study, workload, trial = place.parts
        self._run = wandb.init(
            project=None if "WANDB_PROJECT" in os.environ else _PROJECT,
            dir=str(root),
            id=hashlib.sha256(place.as_posix().encode()).hexdigest()[:16],
            name=place.as_posix(),
            group=f"{submission}/{workload}",
            tags=[submission, workload, study, trial],
            resume="allow",
            settings=wandb.Settings(console="off", disable_git=True, disable_code=True, x_disable_stats=True),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See Sink."""
        self._run.log(dict(values), step=step)

    def close(self, status: Mapping[str, Any]) -> None:
        """See Sink. Settings and the end of the run become its configuration and summary."""
        known = ("framework", "ruleset", "scale", "version", "seed", "hyperparameters", "batch_size", "budget_sec")
        self._run.config.update({name: status[name] for name in known if name in status}, allow_val_change=True)
        reached = status.get("target_reached_at") or {}
        ended = {"status": status.get("status"), "seconds_to_target": reached.get("submission_sec")}
        self._run.summary.update({name: value for name, value in ended.items() if value is not None})
        self._run.finish()


SINKS: dict[str, Callable[[Path, Path], Sink]] = {"tensorboard": TensorBoard, "wandb": WandB}


def export(root: Path, sinks: list[str], output: Path, follow: bool, say: Callable[[str], None]) -> int:
    """Show all runs below `root`; returns how many.

    Args:
      root: a folder of runs; with `follow`, it may be made later.
      sinks: keys of SINKS.
      output: where their files go.
      follow: go on until a KeyboardInterrupt, and take in runs that begin meanwhile.
      say: gets a line when a run is first shown, and when it has ended.

    Raises UserError if there are no runs, or a package is missing.
    """
    shown: dict[Path, _Shown] = {}
    for number in STOPS:  # in the background of a shell, they may be ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                for folder in sorted(root.glob(_PATTERN)):
                    place = folder.relative_to(root)
                    if place not in shown and (folder / EVAL_FILE).exists():
                        shown[place] = _Shown(folder, [SINKS[name](output, place) for name in sinks])
                        say(f"showing {place}")
                for place, one in shown.items():
                    if one.update(follow):
                        say(f"ended: {place}")
                if not follow:
                    break
                time.sleep(PERIOD_SEC)
    finally:
        for one in shown.values():
            one.close()
    if not shown and not follow:
        raise UserError(
            f"There are no runs with evaluations in {root}.{did_you_mean_path(root)} Give the folder that runs are "
            "written to."
        )
    return len(shown)


class _Shown:
    """A run, and how much of it has been shown."""

    def __init__(self, folder: Path, sinks: list[Sink]) -> None:
        self._folder, self._sinks = folder, sinks
        self._num_rows = 0
        self._is_open = True

    def update(self, follow: bool) -> bool:
        """Show new rows; whether the run was found to have ended just now."""
        if not self._is_open:
            return False
        status = read_status(self._folder) or {}
        file = self._folder / MEASUREMENTS_FILE
        rows = CsvFile.read(file if file.exists() else self._folder / EVAL_FILE)
        for row in rows[self._num_rows :]:
            step, values = _values(row)
            for sink in self._sinks:
                sink.write(step, values)
        self._num_rows = len(rows)
        if follow and status.get("status") in (None, Status.RUNNING.label):
            return False
        self.close()
        return True

    def close(self) -> None:
        """Tell the sinks that this is all."""
        if self._is_open:
            self._is_open = False
            for sink in self._sinks:
                sink.close(read_status(self._folder) or {})


def _values(row: Mapping[str, str | None]) -> tuple[int, dict[str, float]]:
    """Step and numbers of a row."""
    return int(float(row.get("global_step") or 0)), dict(_numbers(row))


def _numbers(row: Mapping[str, str | None]) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        if text and name not in _NO_VALUES:
            with contextlib.suppress(ValueError):
                value = float(text)
                if math.isfinite(value):
                    yield name, value


def _missing(package: str) -> UserError:
    return UserError(f"The package {package} is not installed here. Install it: pip install {package}.")
