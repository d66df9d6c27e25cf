"""The referee: the parent of a trial stamps when its clock starts, stops and goes on. Its times are the official ones.

A process of the trial tells its parent that the clock starts, that an evaluation begins, what it found, and that the
clock goes on (`messages`). The parent notes when each message *arrives*. From that follow the times in the records:
every moment after the start is charged to the submission, to an evaluation (from its beginning to its result) or to
logging (from its result until the clock goes on). Times by the trial's own clock are only noted beside them, since the
submission shares its process. Metrics, too, are kept as they were told at the time, and `referee.json` is written for
the last time after all processes of the trial have ended.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread
from typing import Any

from algoperf.checkpoint import checkpoints, content_hash, step_of
from algoperf.errors import AlgoperfError, DiskFull
from algoperf.records.allowance import charges, clean_sec
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import read_object, write_json
from algoperf.records.layout import EVAL_FILE, REFEREE_FILE
from algoperf.text import counted
from algoperf.trial.account import VERSION, Evaluation, Mark, is_same, read_account
from algoperf.trial.clock import ACCOUNTS, columns
from algoperf.versions import Limits

_MAX_PROBLEMS = 20
_ROUNDING_SEC = 1e-3
_CLOCK = "submission"  # the phases have the names of their accounts
_EVALUATION = "evaluation"
_LOGGING = "logging"


class Referee:
    """Keeps the account of one trial, over all processes that work on it.

    Attributes:
      directory: where the records lie.
      seconds: official seconds so far, by account: `submission`, `evaluation`, `logging`.
      evaluations: all evaluations so far.
      known_from: the step from which on the account is complete: 0, unless an earlier process had no referee.
      problems: what cannot be, in sentences.
      snapshot: name and hash of the checkpoint that reached the target, as it was right after it was written.
      evaluation: "apart" if evaluations are made in a clean process, else "together".
      stood_sec: how long the trial stood still while it was evaluated apart, by step.
    """

    def __init__(self, directory: Path, limits: Limits | None = None, budget_sec: float = math.inf) -> None:
        """`limits` say which evaluations reach the target; without, none does. `budget_sec`: no evaluation after it."""
        self.seconds = dict.fromkeys(ACCOUNTS, 0.0)
        self.evaluations: list[Evaluation] = []
        self.known_from = 0
        self.problems: list[str] = []
        self.directory = directory
        self._limits, self._budget_sec = limits, budget_sec
        self.evaluation = "together"
        self.stood_sec: Mapping[int, float] = {}
        self._marks: list[Mark] = []
        self._phase: str | None = None  # what time is charged to; None while no clock runs
        self._since = 0.0
        self._started = self._ended = False
        self._resumed_at = 0
        self._begun_at: int | None = None  # the step of the evaluation that goes on
        self._begun_sec = self._ended_sec = 0.0  # when it began and ended
        self._has_row = True  # whether the row of the last evaluation was written, or there is none
        self.snapshot: dict[str, str] | None = None
        self._hashing: Thread | None = None
        self._num_unknown = 0  # evaluations of processes without a referee
        self._found = {step_of(path) for path in checkpoints(directory)}  # before any code of the submission runs

    @property
    def accounts(self) -> dict[str, float]:
        """`seconds`, and their sum as `total`."""
        return {**self.seconds, "total": sum(self.seconds.values())}

    @property
    def num_evaluations(self) -> int:
        """How many evaluations the trial has had, those of processes without a referee included."""
        return self._num_unknown + len(self.evaluations)

    @property
    def target_reached_at(self) -> dict[str, Any] | None:
        """Step and official time of the first evaluation that reached the validation target, if one did."""
        for evaluation in self.evaluations:
            if self._reaches(evaluation):
                return {"global_step": evaluation.global_step, "submission_sec": evaluation.submission_sec}
        return None

    @property
    def knows_target(self) -> bool:
        """Whether it can tell if an evaluation reached the target."""
        return self._limits is not None

    def _reaches(self, evaluation: Evaluation) -> bool:
        if self._limits is None:
            return False
        value = evaluation.metrics.get(f"validation/{self._limits.metric}")
        return isinstance(value, (int, float)) and self._limits.reached(value)

    def begin(self) -> None:
        """Records are about to be written: those of an earlier process are no longer final."""
        path = self.directory / REFEREE_FILE
        if (earlier := read_object(path)) and earlier.get("files"):
            write_json(path, {**earlier, "files": None})

    # --- messages -----------------------------------------------------------------------------------------------

    def hear(self, message: Mapping[str, Any], at: float) -> dict[str, Any]:
        """Take note of a message that arrived `at` (monotonic seconds); returns the answer to a request.

        Messages of other kinds are not for it.
        """
        kind, step = message.get("kind"), message.get("global_step")
        if kind == "closing":
            self.stop(at)
        elif kind in ("clock", "evaluation", "evaluated", "saving", "resumed"):
            if not isinstance(step, int) or step < 0:
                return self._refuse(f"a message {kind!r} names the step {step!r}")
            if self._ended:
                return self._refuse(f"a message {kind!r} came after the end")
            if kind == "clock":
                self._clock_goes_on(step, at)
            elif kind == "evaluation":
                return self._evaluation_begins(step, at)
            elif kind == "evaluated":
                return self._evaluation_ends(step, message, at)
            elif kind == "saving":
                self._checkpoint_begins(step, at)
            else:
                return self._resume(step, message)
        return {}

    def _clock_goes_on(self, step: int, at: float) -> None:
        if not self._started:
            self._started = True
            if step != self._resumed_at:
                self.note(f"the clock was said to start at step {step}, but nothing was resumed there")
        elif self._phase == _CLOCK:
            self.note(f"at step {step} the clock was said to go on, but it had not stopped")
        elif self._phase == _EVALUATION:
            self._phase = _CLOCK  # no evaluation, no time for one
            self.note(f"the clock stopped at step {self._begun_at} and went on at step {step} without an evaluation")
        else:
            if step != self._begun_at or not self._has_row:
                self.note(f"the clock went on at step {step}, but the evaluation of {self._begun_at} has no row")
            self.evaluations[-1] = replace(self.evaluations[-1], logging_sec=at - self._ended_sec)
        self._pass(at)
        self._phase = _CLOCK

    def _evaluation_begins(self, step: int, at: float) -> dict[str, Any]:
        if self._phase != _CLOCK:
            self.note(f"an evaluation was said to begin at step {step} while the clock stood")
        if self._phase == _EVALUATION:  # what was said to begin before was none
            self._phase = _CLOCK
        self._pass(at)
        self._phase, self._begun_at, self._begun_sec = _EVALUATION, step, at
        return {"seconds": self.accounts}

    def _evaluation_ends(self, step: int, message: Mapping[str, Any], at: float) -> dict[str, Any]:
        if self._phase != _EVALUATION or step != self._begun_at:
            return self._refuse(f"a result of step {step} came that no evaluation was begun for")
        if self.seconds[_CLOCK] > self._budget_sec + _ROUNDING_SEC:  # the trial knew, and had to end
            return self._refuse(f"an evaluation of step {step} was made after the budget")
        metrics, trial = dict(message["metrics"]), {name: float(message["seconds"][name]) for name in ACCOUNTS}
        self._pass(at)
        times = {**columns(self.accounts), **{f"trial_{name}_time": trial[name] for name in ACCOUNTS}}
        self._phase, self._has_row, self._ended_sec = _LOGGING, False, at
        took = at - self._begun_sec
        found = Evaluation(step, self.seconds[_CLOCK], trial[_CLOCK], took, {**metrics, **times})
        self.evaluations.append(replace(found, stood_sec=self.stood_sec.get(step, 0.0)))
        return {"columns": times}

    def take_row(self, step: int) -> Mapping[str, Any]:
        """The row of the last evaluation, which may be written now, once. ValueError if it cannot be."""
        if self._has_row or self.evaluations[-1].global_step != step:
            raise ValueError(f"no evaluation of step {step} was told")
        self._has_row = True
        return self.evaluations[-1].metrics

    def look_at_checkpoint(self) -> None:
        """Note the size of the last evaluation's checkpoint, which is complete; hash it if it reached the target."""
        last = self.evaluations[-1]
        with contextlib.suppress(OSError):  # there is none, or somebody removes it
            files = (self.directory / f"checkpoint_{last.global_step}").iterdir()
            self.evaluations[-1] = replace(last, saved_bytes=sum(file.stat().st_size for file in files))
        self._take_snapshot(last.global_step)

    def _take_snapshot(self, step: int) -> None:
        """Begin to hash the checkpoint of `step` if that is where the target was reached.

        A thread does that: a large file must not keep messages from being stamped.
        """
        checkpoint, reached = self.directory / f"checkpoint_{step}", self.target_reached_at
        if self._hashing is None and reached is not None and reached["global_step"] == step:
            self._hashing = Thread(target=self._hash, args=(checkpoint,), daemon=True)
            self._hashing.start()

    def _hash(self, checkpoint: Path) -> None:
        with contextlib.suppress(OSError):  # removed meanwhile
            if (found := content_hash(checkpoint)) is not None:
                self.snapshot = {"checkpoint": checkpoint.name, "sha256": found}

    def _checkpoint_begins(self, step: int, at: float) -> None:
        self._pass(at)
        self._marks = [mark for mark in self._marks if mark.global_step < step]
        self._marks.append(Mark(step, dict(self.seconds), len(self.evaluations)))
        self._write()

    def _refuse(self, problem: str) -> dict[str, Any]:
        self.note(problem)
        return {"error": f"The parent of the trial refuses: {problem}.", "exit_code": AlgoperfError.exit_code}

    def note(self, problem: str) -> None:
        """Note what cannot be, in a sentence."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)

    def _pass(self, at: float) -> None:
        """Charge the time since the last message to the phase that ends."""
        if self._phase is not None:
            self.seconds[self._phase] += at - self._since
        self._since = at

    def _resume(self, step: int, message: Mapping[str, Any]) -> dict[str, Any]:
        """Go on from the account that an earlier process left at the checkpoint of `step`."""
        if self._started or self._resumed_at:
            return self._refuse(f"the trial was said to go on from step {step}, but it had begun")
        earlier = read_account(self.directory)
        mark = next((mark for mark in earlier.marks if mark.global_step == step), None)
        if mark is None:  # of a process without a referee: its own times are all there is
            if step not in self._found:
                return self._refuse(f"the trial was said to go on from step {step}, but there was no checkpoint")
            self.seconds = {name: _seconds(message["seconds"][name]) for name in ACCOUNTS}
            self.known_from, self._num_unknown = step, len(message["evaluations"])
        else:
            self.seconds = dict(mark.seconds)
            self.evaluations = earlier.evaluations[: mark.num_evaluations]
            self._marks = [mark for mark in earlier.marks if mark.global_step <= step]
            self.known_from, self.problems = earlier.known_from, [*earlier.problems, *self.problems]
            self._num_unknown = earlier.num_unknown
            if self.target_reached_at is not None:
                self.snapshot = earlier.snapshot
            if self.snapshot is None:  # the earlier process may have been killed before the hash was written
                self._take_snapshot(step)
        self._resumed_at = step
        return {"seconds": self.accounts}

    # --- the end ------------------------------------------------------------------------------------------------

    def stop(self, at: float) -> None:
        """The clock stops for good in this process, or the process has died."""
        self._pass(at)
        self._phase, self._ended = None, True

    def seconds_at_end(self, step: Any) -> dict[str, float]:
        """The accounts of a trial that was interrupted at `step`: what followed its last checkpoint is on no clock."""
        if self._marks and self._marks[-1].global_step == step:
            return {**self._marks[-1].seconds, "total": sum(self._marks[-1].seconds.values())}
        return self.accounts

    def conclude(self, files: Mapping[str, str] | None = None) -> None:
        """Compare the rows of the evaluations with what was told, and write the account; all processes have ended.

        `files` are names and SHA-256 of the records that nothing changes from now on.
        """
        if not self.evaluations and not self._marks and not self.problems:
            return  # the clock did not run long enough for anything to be compared
        if self._hashing is not None:
            self._hashing.join()
        self._compare(CsvFile.read(self.directory / EVAL_FILE))
        with contextlib.suppress(DiskFull):  # said by others, who can wait for room
            self._write(files)

    def note_verification(self) -> None:
        """Note how long an evaluation took without the submission, and what is charged for longer ones."""
        seconds = clean_sec(self.directory)
        if seconds is None:
            return
        path = self.directory / REFEREE_FILE
        content = {**(read_object(path) or {}), "clean_sec": seconds}
        write_json(path, content)
        if charged := charges(self.directory):
            write_json(path, {**content, "charged_sec": charged})
            longest = max(charged.values())
            print(f"warning: evaluations took {longest:.1f} s longer than allowed, which counts as submission time")

    def _compare(self, rows: list[dict[str, str]]) -> None:
        rows = [row for row in rows if float(row.get("global_step") or 0) > self.known_from or not self.known_from]
        told = self.evaluations
        if len(rows) not in (len(told), len(told) - 1):  # a process may die before it writes the row that it told of
            self.note(f"{EVAL_FILE} has {counted(len(rows), 'evaluation')}, {len(told)} were told")
        for number, (row, evaluation) in enumerate(zip(rows, told, strict=False), start=1):
            for name, value in {"global_step": evaluation.global_step, **evaluation.metrics}.items():
                if not is_same(row.get(name), value):
                    self.note(f"{EVAL_FILE}, row {number}: {name} is {row.get(name)!r}, but {value!r} was told")

    def _write(self, files: Mapping[str, str] | None = None) -> None:
        content = {
            "version": VERSION,
            **{f"{name}_sec": seconds for name, seconds in self.seconds.items()},
            "known_from": self.known_from,
            "num_unknown": self._num_unknown,
            "problems": self.problems,
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
            "checkpoints": [asdict(mark) for mark in self._marks],
            "snapshot": self.snapshot,
            "evaluation": self.evaluation,
            "files": files,
        }
        write_json(self.directory / REFEREE_FILE, content)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{value!r} are no seconds")
    return seconds
