"""The referee's own account of a trial: the parent stamps when the clock of the trial stops and goes on.

It does not believe the times that a trial writes down about itself. A process of the trial tells its parent that the
clock starts, that an evaluation begins, what it found, and that the clock goes on (`messages`). The parent notes when
each message *arrives*, keeps the results in its own memory, and writes both to `referee.json`, the last time after all
processes of the trial have ended. So a submission that rewrites records, also at the exit of its process, or that moves
seconds from one account to another, leaves a difference between `referee.json` and the records: `problems`, and the
check `referee` of `algoperf check-runs`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from algoperf.errors import DiskFull
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import read_object, write_json
from algoperf.records.layout import EVAL_FILE, REFEREE_FILE

VERSION = 1
_MAX_PROBLEMS = 20
_CLOCK = "clock"
_EVALUATION = "evaluation"


@dataclass(frozen=True)
class Mark:
    """The referee's account when a checkpoint was begun: a trial that goes on from there goes on from these times."""

    global_step: int
    submission_sec: float
    evaluation_sec: float
    num_evaluations: int


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: the referee's times when it began, and the metrics that were told when it ended."""

    global_step: int
    submission_sec: float
    metrics: Mapping[str, Any]


class Referee:
    """Keeps the account of one trial, whose records lie in `directory`, over all processes that work on it.

    Attributes:
      submission_sec: seconds from the start of the clock, without evaluations.
      evaluation_sec: seconds of evaluations, from the message that one begins to that that the clock goes on.
      evaluations: all evaluations so far.
      known_from: the step from which on the account is complete: 0, unless an earlier process had no referee.
      problems: what cannot be, in sentences.
    """

    def __init__(self, directory: Path) -> None:
        self.submission_sec = self.evaluation_sec = 0.0
        self.evaluations: list[Evaluation] = []
        self.known_from = 0
        self.problems: list[str] = []
        self._directory = directory
        self._marks: list[Mark] = []
        self._phase: str | None = None  # what time is charged to; None while no clock runs
        self._since = 0.0
        self._begun_at: int | None = None  # the step of the evaluation that goes on
        self._has_result = False
        self._has_row = True  # whether the row of the last evaluation was written, or there is none

    def begin(self) -> None:
        """Records are about to be written: those of an earlier process are no longer final."""
        path = self._directory / REFEREE_FILE
        if (earlier := read_object(path)) and earlier.get("files"):
            write_json(path, {**earlier, "files": None})

    # --- messages -----------------------------------------------------------------------------------------------

    def hear(self, message: Mapping[str, Any], at: float) -> None:
        """Take note of a message that arrived `at` (monotonic seconds). Messages of other kinds are not for it."""
        kind, step = message.get("kind"), message.get("global_step")
        if kind == "closing":
            self.stop(at)
        elif kind in (_CLOCK, _EVALUATION, "evaluated", "saving"):
            if not isinstance(step, int) or step < 0:
                self.note(f"a message {kind!r} names the step {step!r}")
            elif kind == _CLOCK:
                self._clock_goes_on(step, at)
            elif kind == _EVALUATION:
                self._evaluation_begins(step, at)
            elif kind == "evaluated":
                self._evaluation_ends(step, message.get("metrics"))
            else:
                self._checkpoint_begins(step, at)

    def _clock_goes_on(self, step: int, at: float) -> None:
        if self._phase is None:
            self._resume(step)
        elif self._phase == _CLOCK:
            self.note(f"at step {step} the clock was said to go on, but it had not stopped")
        elif not self._has_result or step != self._begun_at:
            self.note(f"the clock stopped at step {self._begun_at} and went on at step {step} without an evaluation")
        self._pass(at)
        self._phase = _CLOCK

    def _evaluation_begins(self, step: int, at: float) -> None:
        if self._phase != _CLOCK:
            self.note(f"an evaluation was said to begin at step {step} while the clock stood")
        self._pass(at)
        self._phase, self._begun_at, self._has_result = _EVALUATION, step, False

    def _evaluation_ends(self, step: int, metrics: Any) -> None:
        if self._phase != _EVALUATION or step != self._begun_at or self._has_result:
            self.note(f"a result of step {step} came that no evaluation was begun for")
            return
        self._has_result, self._has_row = True, False
        self.evaluations.append(Evaluation(step, self.submission_sec, dict(metrics or {})))

    def take_row(self, step: int) -> Mapping[str, Any]:
        """The metrics of the last evaluation, whose row may be written now, once. ValueError if it cannot be."""
        if self._has_row or self.evaluations[-1].global_step != step:
            raise ValueError(f"no evaluation of step {step} was told")
        self._has_row = True
        return self.evaluations[-1].metrics

    def _checkpoint_begins(self, step: int, at: float) -> None:
        self._pass(at)
        self._marks = [mark for mark in self._marks if mark.global_step < step]
        self._marks.append(Mark(step, self.submission_sec, self.evaluation_sec, len(self.evaluations)))
        self._write()

    def note(self, problem: str) -> None:
        """Note what cannot be, in a sentence."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)

    def _pass(self, at: float) -> None:
        """Charge the time since the last message to the phase that ends."""
        if self._phase == _CLOCK:
            self.submission_sec += at - self._since
        elif self._phase == _EVALUATION:
            self.evaluation_sec += at - self._since
        self._since = at

    def _resume(self, step: int) -> None:
        """Go on from the account that an earlier process left at the checkpoint of `step`."""
        if step == 0:
            return
        earlier = _read(self._directory)
        mark = next((mark for mark in earlier.marks if mark.global_step == step), None)
        if mark is None:
            self.known_from = step
            return
        self.submission_sec, self.evaluation_sec = mark.submission_sec, mark.evaluation_sec
        self.evaluations = earlier.evaluations[: mark.num_evaluations]
        self._marks = [mark for mark in earlier.marks if mark.global_step <= step]
        self.known_from, self.problems = earlier.known_from, [*earlier.problems, *self.problems]

    # --- the end ------------------------------------------------------------------------------------------------

    def stop(self, at: float) -> None:
        """The clock stops for good in this process, or the process has died."""
        self._pass(at)
        self._phase = None

    def conclude(self, files: Mapping[str, str] | None = None) -> None:
        """Compare the rows of the evaluations with what was told, and write the account; all processes have ended.

        `files` are names and SHA-256 of the records that nothing changes from now on.
        """
        if not self.evaluations and not self._marks and not self.problems:
            return  # the clock did not run long enough for anything to be compared
        self._compare(CsvFile.read(self._directory / EVAL_FILE))
        with contextlib.suppress(DiskFull):  # said by others, who can wait for room
            self._write(files)

    def _compare(self, rows: list[dict[str, str]]) -> None:
        rows = [row for row in rows if float(row.get("global_step") or 0) > self.known_from or not self.known_from]
        told = self.evaluations
        if len(rows) not in (len(told), len(told) - 1):  # a process may die before it writes the row that it told of
            self.note(f"{EVAL_FILE} has {len(rows)} evaluations, {len(told)} were told")
        for number, (row, evaluation) in enumerate(zip(rows, told, strict=False), start=1):
            for name, value in {"global_step": evaluation.global_step, **evaluation.metrics}.items():
                if not _same(row.get(name), value):
                    self.note(f"{EVAL_FILE}, row {number}: {name} is {row.get(name)!r}, but {value!r} was told")

    def _write(self, files: Mapping[str, str] | None = None) -> None:
        content = {
            "version": VERSION,
            "submission_sec": self.submission_sec,
            "evaluation_sec": self.evaluation_sec,
            "known_from": self.known_from,
            "problems": self.problems,
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
            "checkpoints": [asdict(mark) for mark in self._marks],
            "files": files,
        }
        write_json(self._directory / REFEREE_FILE, content)


@dataclass(frozen=True)
class _Earlier:
    evaluations: list[Evaluation]
    marks: list[Mark]
    known_from: int
    problems: list[str]


def _read(directory: Path) -> _Earlier:
    """The account in a folder; an empty one if there is none, or it is damaged."""
    content = read_object(directory / REFEREE_FILE) or {}
    try:
        if content.get("version") == VERSION:
            return _Earlier(
                evaluations=[Evaluation(**each) for each in content["evaluations"]],
                marks=[Mark(**each) for each in content["checkpoints"]],
                known_from=int(content["known_from"]),
                problems=[str(each) for each in content["problems"]],
            )
    except (KeyError, TypeError, ValueError):
        pass
    return _Earlier([], [], 0, [])


def _same(text: str | None, value: Any) -> bool:
    """Whether a field of a csv file holds a value. NaN, which JSON files hold as null, is equal to itself."""
    try:
        found = float(text or "nan")
    except ValueError:
        return text == value
    expected = float("nan") if value is None else value
    return found == expected or (found != found and expected != expected)
