"""Writes the files of one trial. Rows are appended one by one; a row that was written is never changed or lost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.data.files import write_file
from algoperf.errors import explaining_full_disk
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import json_bytes
from algoperf.records.layout import EVAL_FILE, HPARAMS_FILE, MEASUREMENTS_FILE, RESERVE_FILE, STATUS_FILE

RESERVE_BYTES = 1 << 15
"""Enough for some rows and for `status.json`, new beside old, twice."""


class TrialRecords:
    """Writes the files of one trial. `preemption_count` is the number of processes that worked on it before."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.preemption_count = 0
        self._reserve = directory / RESERVE_FILE
        self._evaluations = CsvFile(directory / EVAL_FILE, keeps_content=True)
        self._measurements = CsvFile(directory / MEASUREMENTS_FILE)
        self._written: dict[str, bytes] = {}  # the JSON files

    def write_start(
        self,
        hyperparameters: Mapping[str, Any] | None,
        meta_data: Mapping[str, Any],
        flags: Mapping[str, Any],
    ) -> None:
        """Write what is known when a process starts working on the trial."""
        if hyperparameters is not None:
            self._write(HPARAMS_FILE, hyperparameters)
        self._write(f"meta_data_{self.preemption_count}.json", meta_data)
        self._write(f"flags_{self.preemption_count}.json", flags)

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
        row = plain_row(metrics, global_step, count)
        self._measurements.append(row, durable=is_eval)  # submissions log on the clock
        if is_eval:
            self._evaluations.append(row)

    def append_evaluation(self, metrics: Mapping[str, Any], global_step: int) -> None:
        """Append the row of an evaluation, to both files."""
        self.append_scalar_metrics(metrics, global_step, is_eval=True)

    def append_end(self, submission_sec: float, global_step: int) -> None:
        """Append the last row of a finished trial to `measurements.csv`."""
        self.append_scalar_metrics({"score": submission_sec}, global_step)

    def complete_evaluations(self, known: list[tuple[int, dict[str, float]]]) -> None:
        """Make the evaluation rows equal to those in a checkpoint.

        A crash may have prevented the last row from being written to one or both files. There are too many rows if
        later checkpoints were removed; these rows are kept in a hidden file.
        """
        if len(self._evaluations.rows()) > len(known):
            copy = self.directory / f".{EVAL_FILE}.replaced-{self.preemption_count}"
            self._evaluations.keep_first(len(known), copy)
        for file in (self._measurements, self._evaluations):
            written = {row["global_step"] for row in file.rows() if row.get("accumulated_eval_time")}
            for global_step, metrics in known:
                if str(global_step) not in written:
                    file.append(plain_row(metrics, global_step, self.preemption_count - 1))

    def reserve(self) -> None:
        """Keep some room on the disk for the records of the end. Raises DiskFull if there is none."""
        self._reserve.unlink(missing_ok=True)
        try:
            with explaining_full_disk(self.directory, RESERVE_BYTES), self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except BaseException:
            self._reserve.unlink(missing_ok=True)
            raise

    def release_reserve(self) -> None:
        """Give the room back: what is written next is the end."""
        self._reserve.unlink(missing_ok=True)

    def write_status(self, content: Mapping[str, Any]) -> None:
        """Replace `status.json`."""
        self._write(STATUS_FILE, content)

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        text = json_bytes(content)
        write_file(self.directory / name, text)
        self._written[name] = text

    # --- what others did to the files ---------------------------------------------------------------------------

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the csv files, as they were written."""
        return {EVAL_FILE: self._evaluations.sha256, MEASUREMENTS_FILE: self._measurements.sha256}

    def restore(self) -> list[str]:
        """Put back what others changed; returns the names of the files. Rows of `measurements.csv` are not kept."""
        changed = []
        for name, file in ((EVAL_FILE, self._evaluations), (MEASUREMENTS_FILE, self._measurements)):
            if file.was_changed():
                changed.append(name)
                file.restore()
        for name, content in self._written.items():
            path = self.directory / name
            if not path.is_file() or path.read_bytes() != content:
                changed.append(name)
                write_file(path, content)
        return changed


def plain_row(metrics: Mapping[str, Any], global_step: int, preemption_count: int) -> dict[str, Any]:
    """A row with plain values; those given may be arrays of one element."""
    row = {name: value if isinstance(value, (int, str)) else float(value) for name, value in metrics.items()}
    return {**row, "global_step": global_step, "preemption_count": preemption_count}
