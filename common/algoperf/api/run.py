"""A run as an object: what its records say, and how a notebook shows it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.api.words import errors_in_python_words
from algoperf.errors import UserError, did_you_mean_path
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE, LOG_FILE, STATUS_FILE
from algoperf.records.status import read_status
from algoperf.text import counted

_WIDTH, _HEIGHT, _MARGIN = 420, 120, 6


@dataclass(frozen=True, repr=False)
class Run:
    """One trial, as its records have it.

    Attributes:
      folder: where they are.
      status: the content of `status.json`; docs/records.md describes it.
      evaluations: one dict per evaluation, by column of `eval_measurements.csv`; numbers are floats, steps ints.
    """

    folder: Path
    status: dict[str, Any]
    evaluations: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path | str) -> Run:
        """The run in a folder. Raises UserError if there is none."""
        folder = Path(folder)
        status = read_status(folder)
        if status is None:
            raise UserError(f"There is no run in {folder}: it has no {STATUS_FILE}.")
        return cls(folder, status, [_numbers(row) for row in CsvFile.read(folder / EVAL_FILE)])

    @property
    def name(self) -> str:
        """What was run, for people."""
        said = self.status
        what = f"{said['submission']} on {said['workload']} ({said['framework']})"
        return f"{what}, study {said['study']}, trial {said['trial']}"

    @property
    def ended(self) -> str:
        """How it ended, such as `target_reached`."""
        return str(self.status["status"])

    @property
    def seconds_to_target(self) -> float | None:
        """Submission time at which the validation target was reached; None if it was not."""
        reached = self.status.get("target_reached_at")
        return float(reached["submission_sec"]) if reached else None

    @property
    def steps_to_target(self) -> int | None:
        """Steps after which the validation target was reached; None if it was not."""
        reached = self.status.get("target_reached_at")
        return int(reached["global_step"]) if reached else None

    @property
    def metric(self) -> str:
        """The metric with the target, a column of `evaluations`."""
        return f"validation/{self.status['targets']['metric']}"

    @property
    def target(self) -> float:
        """The value of `metric` to reach."""
        return float(self.status["targets"]["validation"])

    @property
    def log(self) -> str:
        """What was printed while it ran; "" if that was not kept."""
        file = self.folder / LOG_FILE
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def curve(self, column: str | None = None) -> tuple[list[float], list[float]]:
        """Submission time in seconds, and the values of a column, by default `metric`, at all evaluations."""
        column = column or self.metric
        if self.evaluations and column not in self.evaluations[0]:
            raise UserError(f"There is no column {column!r}. There are: {', '.join(self.evaluations[0])}.")
        return [row["score"] for row in self.evaluations], [row[column] for row in self.evaluations]

    def __repr__(self) -> str:
        return f"<Run: {self}>"

    def __str__(self) -> str:
        return f"{self.name}: {self._result()}"

    def _result(self) -> str:
        if self.seconds_to_target is not None:
            return f"target reached in {self.seconds_to_target:.2f} s, {counted(self.steps_to_target or 0, 'step')}"
        return f"{self.ended} after {counted(self.status['global_step'], 'step')}"

    def _repr_html_(self) -> str:
        """A line, and the curve up to the target."""
        text = html.escape(str(self))
        return f"<div><b>{text}</b><br>{_drawing(*self.curve(), self.target) if self.evaluations else ''}</div>"


@errors_in_python_words
def runs(folder: Path | str) -> list[Run]:
    """All runs below a folder that have a status, ordered by path. Raises UserError if it does not exist."""
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}.{did_you_mean_path(root)}")
    found = [path.parent for path in sorted(root.rglob(STATUS_FILE))]
    return [Run.read(path) for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    def number(name: str, text: str | None) -> Any:
        try:
            value = float(text or "nan")
        except ValueError:
            return text
        return int(value) if name in ("global_step", "preemption_count") else value

    return {name: number(name, text) for name, text in row.items()}


def _drawing(seconds: list[float], values: list[float], target: float) -> str:
    """A curve with the target as a dashed line, as SVG. Colours are those of the page, so that dark mode works."""
    finite = [(at, value) for at, value in zip(seconds, values, strict=True) if value - value == 0]
    low = min([target, *(value for _, value in finite)])
    high = max([target, *(value for _, value in finite)])
    last = max([at for at, _ in finite], default=1.0) or 1.0

    def place(at: float, value: float) -> tuple[float, float]:
        across = _MARGIN + (_WIDTH - 2 * _MARGIN) * at / last
        return across, _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (value - low) / ((high - low) or 1.0)

    points = " ".join("{:.1f},{:.1f}".format(*place(*one)) for one in finite)
    line = place(0.0, target)[1]
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="metric over submission time">'
        f'<line x1="0" x2="{_WIDTH}" y1="{line:.1f}" y2="{line:.1f}" stroke="currentColor" stroke-dasharray="4"/>'
        f'<polyline points="{points}" fill="none" stroke="#3b7dd8" stroke-width="2"/></svg>'
        f"<br><small>0 to {last:.3g} s of submission time; dashed: target {target:.6g}</small>"
    )
