"""What follows from the end of a run: its exit code decides.

| exit code                                           | next     |                                                 |
|-----------------------------------------------------|----------|-------------------------------------------------|
| 0                                                   | finished | never repeated                                  |
| 130, or killed by a signal, or its machine was lost | resume   | any number of times while it gets on            |
| 1, 4 (memory), 7 (evaluation), 125 and the like     | retry    | a bounded number of times, with the cause       |
| 77 (the submission's code is not what was planned)  | retry    | the same, and not before the code is restored   |
| 2 (arguments), 3 (submission), 5 (data), 9 (breach) | stop     | nothing more of this kind is begun until asked  |

3 and 9 are the submission's own, and a result: the run has failed. After the others, it was stopped.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from algoperf.errors import DataError, EvaluationMismatch, SubmissionError, UserError
from algoperf.records.status import Status, exit_code_name

_STOP = {
    *(error.exit_code for error in (UserError, SubmissionError, DataError, EvaluationMismatch)),
    Status.RULE_BREACH.exit_code,
}
_RESULTS = {
    SubmissionError.exit_code: Status.SUBMISSION_ERROR.label,
    Status.RULE_BREACH.exit_code: Status.RULE_BREACH.label,
}  # of submissions, whoever runs them
ENDED = "The campaign has ended: nothing is left to run."
_LARGEST_OF_OURS = 124  # containers' own failures are 125 to 127; shells add 128 to the number of a signal


class Next(enum.Enum):
    """What to do about a run."""

    FINISHED = "finished"
    RESUME = "resume"
    RETRY = "retry"
    STOP = "stop"


@dataclass(frozen=True)
class Rules:
    """How often a run is begun again.

    Attributes:
      retries: after failures that may pass, such as a lack of memory.
      fruitless_resumes: interruptions in a row between which no step was made.
    """

    retries: int = 2
    fruitless_resumes: int = 5


def next_of(code: int) -> Next:
    """What an exit code of a run calls for."""
    if code == 0:
        return Next.FINISHED
    if code == Status.INTERRUPTED.exit_code or code > 128:
        return Next.RESUME
    return Next.STOP if code in _STOP else Next.RETRY


def cause_of(code: int) -> str:
    """What an exit code means, for people."""
    if _LARGEST_OF_OURS < code <= 127:
        return "the container engine could not start the run"
    return exit_code_name(code)


def is_result(code: int | None, label: str | None) -> bool:
    """Whether a run that ended with this exit code failed by the submission's own error.

    Its records say how it ended, `label`, or there are none, None: else it has begun and may go on.
    """
    return code in _RESULTS and label in (None, _RESULTS[code])


def advice(stopped: bool, failed: Iterable[int | None], command: str) -> list[str]:
    """What to do if runs were stopped, and about those that failed with these exit codes.

    `command` carries the campaign out.
    """
    lines = [f"When the cause is gone: {command} --again"] if stopped else []
    if codes := sorted({code for code in failed if code is not None}):
        lines.append(
            f"Exit code {' or '.join(map(str, codes))}: the submission's own error, which is a result. For changed "
            "code, plan a new campaign in another folder."
        )
    return lines


def decide(attempts: Sequence[dict[str, Any]], rules: Rules) -> Next | None:
    """What to do about a run after all attempts so far; None if there was none since it was last asked for again.

    An attempt that has no end was lost with its process or machine.
    """
    asked = max((place for place, attempt in enumerate(attempts) if attempt.get("asked_again")), default=-1)
    since = attempts[asked + 1 :]
    if not since:
        return None
    last = Next(since[-1].get("next", Next.RESUME.value))
    if last is Next.RETRY and sum(each.get("next") == Next.RETRY.value for each in since) > rules.retries:
        return Next.STOP
    if last is Next.RESUME and _fruitless(since) > rules.fruitless_resumes:
        return Next.STOP
    return last


def _fruitless(attempts: Sequence[dict[str, Any]]) -> int:
    """Attempts in a row, up to the last one, that nobody stopped and that made no step."""
    count = 0
    for attempt in reversed(attempts):
        if attempt.get("next", Next.RESUME.value) != Next.RESUME.value or attempt.get("steps"):
            break
        count += not attempt.get("asked_to_stop")
    return count
