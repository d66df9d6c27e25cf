"""The files of a run, in the published layout, and how each way to end is called.

`<submission>/study_<k>/<workload>_<framework>/trial_<j>/` holds `eval_measurements.csv`, `measurements.csv`,
`hparams.json` (external tuning), `meta_data_<p>.json` and `flags_<p>.json` (p = number of preemptions), and
`status.json`. Rows are appended one by one, and no row that was written is ever changed or lost.
"""

from __future__ import annotations

import csv
import enum
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.data.files import full_disk, write_file

EVAL_FILE = "eval_measurements.csv"
MEASUREMENTS_FILE = "measurements.csv"
STATUS_FILE = "status.json"


class Status(enum.Enum):
    """How a trial ended, with the exit code of `algoperf train`.

    Those with exit code 0 ended by the rules; they are finished and never repeated. A breach of the rules is final
    too. The others are resumed.
    """

    RUNNING = ("running", 1)  # what a process killed without warning leaves behind
    TARGET_REACHED = ("target_reached", 0)
    BUDGET_SPENT = ("budget_spent", 0)
    TRAINING_COMPLETE = ("training_complete", 0)
    MAX_STEPS_REACHED = ("max_steps_reached", 0)
    NAN = ("nan", 0)
    PRUNED = ("pruned", 0)
    SUBMISSION_ERROR = ("submission_error", 3)
    OUT_OF_MEMORY = ("out_of_memory", 4)
    EVALUATION_ERROR = ("evaluation_error", 7)
    RULE_BREACH = ("rule_breach", 9)
    INTERRUPTED = ("interrupted", 130)

    def __init__(self, label: str, exit_code: int) -> None:
        self.label = label
        self.exit_code = exit_code

    @property
    def finished(self) -> bool:
        """Whether the trial ended by the rules."""
        return self.exit_code == 0

    @classmethod
    def from_label(cls, label: str) -> Status:
        """The status written as `label`."""
        return next(status for status in cls if status.label == label)


def trial_dir(root: Path, submission: str, study: int, workload: str, framework: str, trial: int) -> Path:
    """Where the files of one trial lie."""
    return root / submission / f"study_{study}" / f"{workload}_{framework}" / f"trial_{trial}"


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN and infinity become null, unknown objects their text."""
    write_file(path, (json.dumps(_jsonable(content), indent=2) + "\n").encode())


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None  # inf - inf and nan - nan are nan
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)


def read_status(directory: Path) -> dict[str, Any] | None:
    """The content of a trial's `status.json`; None if there is none that can be read."""
    try:
        content = json.loads((directory / STATUS_FILE).read_text())
    except (OSError, ValueError):  # not json, or not even text
        return None
    return content if isinstance(content, dict) else None


class CsvFile:
    """A csv file to which rows are appended one system call each.

    The columns are those of the first row, by name; columns that appear later are added on the right, for
    which the file is replaced atomically. A row cut off by a crash is dropped on opening; it was never
    acknowledged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: list[str] = []
        if path.exists():
            self._drop_torn_row()
            with path.open(newline="") as file:
                self._columns = next(csv.reader(file), [])

    def append(self, row: Mapping[str, Any], durable: bool = True) -> None:
        """Append one row; missing columns stay empty.

        The row survives the death of this process at any moment; a `durable` one also that of the machine.
        """
        new = sorted(set(row) - set(self._columns))
        if new:
            self._widen(new)
        text = self._text([row.get(column, "") for column in self._columns])
        with self._path.open("ab", buffering=0) as file:
            if file.write(text) != len(text):
                self._drop_torn_row()
                raise full_disk(self._path.parent, len(text))
            if durable:
                os.fsync(file.fileno())

    def rows(self) -> list[dict[str, str]]:
        """All rows, as text by column name."""
        return self.read(self._path)

    @staticmethod
    def read(path: Path) -> list[dict[str, str]]:
        """The rows of a file that is only looked at; none if it does not exist."""
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _widen(self, new: list[str]) -> None:
        rows = self.rows()
        self._columns += new
        lines = [self._columns, *([row.get(column, "") for column in self._columns] for row in rows)]
        write_file(self._path, b"".join(self._text(line) for line in lines))

    def _drop_torn_row(self) -> None:
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)

    def keep_first(self, num_rows: int, copy: Path) -> None:
        """Go back to the first rows; what the file held is kept in `copy`."""
        rows = self.rows()[:num_rows]
        write_file(copy, self._path.read_bytes())
        lines = [self._columns, *([row[column] for column in self._columns] for row in rows)]
        write_file(self._path, b"".join(self._text(line) for line in lines))

    @staticmethod
    def _text(values: list[Any]) -> bytes:
        line = io.StringIO()
        # A row is a line: only so can one that was torn be recognised.
        plain = [" ".join(value.splitlines()) if isinstance(value, str) else value for value in values]
        csv.writer(line, lineterminator="\n").writerow(plain)
        return line.getvalue().encode()


class TrialRecords:
    """Writes the files of one trial. `preemption_count` says how many processes worked on it before."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.preemption_count = 0
        self._evaluations = CsvFile(directory / EVAL_FILE)
        self._measurements = CsvFile(directory / MEASUREMENTS_FILE)

    def write_start(
        self,
        hyperparameters: Mapping[str, Any] | None,
        meta_data: Mapping[str, Any],
        flags: Mapping[str, Any],
    ) -> None:
        """Write what is known when a process starts working on the trial."""
        if hyperparameters is not None:
            write_json(self.directory / "hparams.json", hyperparameters)
        write_json(self.directory / f"meta_data_{self.preemption_count}.json", meta_data)
        write_json(self.directory / f"flags_{self.preemption_count}.json", flags)

    def append_scalar_metrics(
        self,
        metrics: Mapping[str, Any],
        global_step: int,
        preemption_count: int | None = None,
        is_eval: bool = False,
    ) -> None:
        """Append a row to `measurements.csv`, and to `eval_measurements.csv` if it is an evaluation.

        This is the object that submissions know as `workload.metrics_logger`. Values may be arrays of one
        element of either framework.
        """
        count = self.preemption_count if preemption_count is None else preemption_count
        row = self._row(metrics, global_step, count)
        self._measurements.append(row, durable=is_eval)  # submissions log on the clock
        if is_eval:
            self._evaluations.append(row)

    @staticmethod
    def _row(metrics: Mapping[str, Any], global_step: int, preemption_count: int) -> dict[str, Any]:
        row = {name: value if isinstance(value, (int, str)) else float(value) for name, value in metrics.items()}
        return {**row, "global_step": global_step, "preemption_count": preemption_count}

    def complete_evaluations(self, known: list[tuple[int, dict[str, float]]]) -> None:
        """Make the evaluation rows those that a checkpoint knows of.

        A crash may have kept the last one from being written, to one file or to both. There are more if later
        checkpoints were taken away; those rows are kept in a hidden file.
        """
        if len(self._evaluations.rows()) > len(known):
            copy = self.directory / f".{EVAL_FILE}.replaced-{self.preemption_count}"
            self._evaluations.keep_first(len(known), copy)
        for file in (self._measurements, self._evaluations):
            written = {row["global_step"] for row in file.rows() if row.get("accumulated_eval_time")}
            for global_step, metrics in known:
                if str(global_step) not in written:
                    file.append(self._row(metrics, global_step, self.preemption_count - 1))

    def write_status(self, content: Mapping[str, Any]) -> None:
        """Replace `status.json`."""
        write_json(self.directory / STATUS_FILE, content)
