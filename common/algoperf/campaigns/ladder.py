"""The ladder of a campaign: cheap steps come first, and the next one is only for submissions that passed the last.

The manifest has the rule and its numbers:

    "ladder": {
      "rule": "1: A submission passes a step when ...",
      "steps": [
        {"step": "mini", "scale": "mini", "workloads": ["ogbg", "wmt", "fastmri"], "studies": 1, "reach": 2},
        {"step": "qualification", "scale": "full", "workloads": ["ogbg", "wmt"], "studies": 3, "reach": 1},
        {"step": "all", "scale": "full", "workloads": ["ogbg", "wmt", "fastmri"], "studies": 3, "reach": 0}
      ]
    }

Whether a step is passed follows from how its runs have ended, and from nothing else: no file says it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from algoperf.campaigns.manifest import MINI
from algoperf.campaigns.states import Phase, RunState
from algoperf.errors import EvaluationMismatch, SubmissionError, UserError, unknown
from algoperf.records.status import Status

if TYPE_CHECKING:
    from algoperf.campaigns.plan import Trial

QUALIFICATION, ALL = "qualification", "all"
RULE = (
    "1: A submission passes a step when it has reached the targets of at least `reach` of the step's workloads, each "
    "in at least one run. It goes on to the next step only then. A run that is pruned has not reached its targets."
)
_OWN_FAULT = {SubmissionError.exit_code, EvaluationMismatch.exit_code, Status.RULE_BREACH.exit_code}


class Verdict(enum.Enum):
    """Whether a submission passed a step."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Standing:
    """How a submission stands at a step: workloads reached, those that it may still reach, and how many are needed."""

    step: str
    submission: str
    reached: int
    possible: int
    needed: int
    workloads: int

    @property
    def verdict(self) -> Verdict:
        """Passed or failed as soon as no run can change it any more."""
        if self.reached >= self.needed:
            return Verdict.PASSED
        return Verdict.OPEN if self.reached + self.possible >= self.needed else Verdict.FAILED

    def __str__(self) -> str:
        count = f"{self.reached} of {self.workloads} targets reached, {self.needed} needed"
        return f"{self.submission} {_WORDS[self.verdict]} {self.step}: {count}"

    def as_dict(self) -> dict[str, Any]:
        """The standing as plain values."""
        return {**dataclasses.asdict(self), "verdict": self.verdict.value}


_WORDS = {Verdict.OPEN: "is at", Verdict.PASSED: "has passed", Verdict.FAILED: "has failed"}


def parse_needed(text: str) -> dict[str, int]:
    """How many targets steps need, from text such as "mini=6,qualification=2"; empty for the defaults.

    Raises UserError for an unknown step or a number that is none.
    """
    needed = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if name not in (MINI, QUALIFICATION):
            raise unknown("step of the ladder with a rule", name, (MINI, QUALIFICATION))
        if not number.isdecimal() or not int(number):
            raise UserError(f"--ladder {part}: say how many targets are needed, such as {name}=2.")
        needed[name] = int(number)
    return needed


def climb(
    mini: Sequence[Trial], trials: Sequence[Trial], qualification: Collection[str], needed: Mapping[str, int]
) -> tuple[list[Trial], dict[str, Any]]:
    """All trials in the order of their steps, each with its step, and the ladder as the manifest has it.

    Trials of the qualification set come before the others, under external tuning those of the first study; if they
    would be none or all, the ladder has no such step. Raises UserError if a step needs more targets than it has.
    """
    early = [each.settings.definition.name in qualification and _is_early(each) for each in trials]
    is_split = len(set(early)) == 2
    steps: dict[str, list[Trial]] = {MINI: list(mini), QUALIFICATION: [], ALL: []}
    for trial, comes_early in zip(trials, early, strict=True):
        steps[QUALIFICATION if is_split and comes_early else ALL].append(trial)
    made = [_step(name, steps[name], needed) for name in (MINI, QUALIFICATION) if steps[name]]
    there = [step["step"] for step in made]
    if missing := [name for name in needed if name not in there]:
        raise UserError(
            f"The ladder of this campaign has no step {missing[0]!r}. It has: {', '.join(there) or 'none'}."
        )
    made.append(_step(ALL, trials, {ALL: 0}))
    return [each._replace(step=name) for name in steps for each in steps[name]], {"rule": RULE, "steps": made}


def _is_early(trial: Trial) -> bool:
    return trial.settings.ruleset == "self" or trial.settings.study == 1


def _step(name: str, trials: Sequence[Trial], needed: Mapping[str, int]) -> dict[str, Any]:
    """A step of the ladder. By default, half of its targets are needed at scale mini, rounded up, else one of them:
    that keeps out what does not work, and not what is slow.
    """
    workloads = list(dict.fromkeys(trial.settings.definition.name for trial in trials))
    reach = needed.get(name, (len(workloads) + 1) // 2 if name == MINI else 1)
    if reach > len(workloads):
        raise UserError(
            f"The step {name} cannot need {reach} targets: it has {len(workloads)}, {', '.join(workloads)}."
        )
    return {
        "step": name,
        "scale": trials[0].settings.definition.scale,
        "workloads": workloads,
        "studies": max(trial.settings.study for trial in trials),
        "reach": reach,
    }


def step_text(step: Mapping[str, Any]) -> str:
    """What a step of a ladder runs, and what it asks for."""
    names, studies = ", ".join(step["workloads"]), "1 study" if step["studies"] == 1 else f"{step['studies']} studies"
    needs = f"; to go on, reach {step['reach']} of {len(step['workloads'])} targets" if step["reach"] else ""
    return f"{step['step']}: {names} at scale {step['scale']}, {studies}{needs}"


def standings(ladder: Mapping[str, Any], states: Sequence[RunState]) -> dict[str, list[Standing]]:
    """How each submission stands at every step, in order."""
    cells: dict[tuple[str, str], dict[str, list[RunState]]] = {}
    for state in states:
        run = state.run
        cells.setdefault((run.submission, run.step), {}).setdefault(run.workload, []).append(state)
    found: dict[str, list[Standing]] = {submission: [] for submission, _ in cells}
    for step in ladder["steps"]:
        for submission, standing in found.items():
            outcomes = [_outcome(each) for each in cells.get((submission, step["step"]), {}).values()]
            reached, possible = outcomes.count(Verdict.PASSED), outcomes.count(Verdict.OPEN)
            standing.append(
                Standing(step["step"], submission, reached, possible, int(step["reach"]), len(step["workloads"]))
            )
    return found


def _outcome(states: Sequence[RunState]) -> Verdict:
    """Whether a submission has reached the targets of a workload in one of these runs, or still may."""
    if any(state.done and state.done.get("status") == Status.TARGET_REACHED.label for state in states):
        return Verdict.PASSED
    if any(
        state.phase in (Phase.STOPPED, Phase.FAILED) and state.last.get("exit_code") in _OWN_FAULT for state in states
    ):
        return Verdict.FAILED  # its other runs are held
    return Verdict.OPEN if any(state.done is None for state in states) else Verdict.FAILED


def barrier(standing: Sequence[Standing]) -> Standing | None:
    """The first step that a submission has not passed; None if it passed all of them."""
    return next((each for each in standing if each.verdict is not Verdict.PASSED), None)
