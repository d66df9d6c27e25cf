"""The process of the probe: loads a submission, runs it, and writes progress and findings to a file, line by line."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import seeds
from algoperf.errors import AlgoperfError, UserError
from algoperf.records.status import Status
from algoperf.submission.loading import SUBMISSION_PACKAGE, Submission
from algoperf.submission.signatures import KEYWORDS, POSITIONAL
from algoperf.system import follow
from algoperf.tuning.points import trial_point
from algoperf.tuning.search_space import load_search_space
from algoperf.versions import load_version
from algoperf_check.probe import memory, trials
from algoperf_check.probe.tiny import TINIES, Tiny
from algoperf_check.probe.trials import NUM_STEPS, Arrays, Plan, TrialOutcome

# Allowed distance between two runs, relative to the distance that training covered.
SAME, SAME_BUT_FOR_ORDER = 1e-5, 1e-2
_ROUNDING = 1e-5  # relative to the parameters; smaller changes are rounding errors
_RULE_OF_STATUS = {Status.NAN: "14.2", Status.RULE_BREACH: "14.4"}


class Session:
    """One process of a probe: runs the tasks that no other process of the probe has claimed.

    `say` takes `("doing", text)`, `("finding", rule, text)`, `("finding", rule, text, workload)` and
    `("state", memory.described(...))`.
    """

    def __init__(self, request: dict[str, Any], say: Callable[..., None], root: Path) -> None:
        self._request = request
        self._say = say
        self._root = root
        self._version = load_version(request["version"])
        self._submission = Path(request["submission"])

    def run(self) -> None:
        """Run everything and report findings."""
        self._say("doing", "loading the submission")
        from algoperf.frameworks import load_backend

        backend = load_backend(self._request["framework"])
        try:
            submission = trials.fresh_submission(self._submission)
            hyperparameters = self._hyperparameters()
        except UserError as error:
            self._say("finding", "13.1", str(error))
            return
        self._say("doing", "looking at functions and batch sizes")
        for rule, what in (*_signatures(submission), *self._batch_sizes(submission)):
            self._say("finding", rule, what)
        plan = Plan(
            submission=self._submission,
            framework=self._request["framework"],
            ruleset=self._request["ruleset"],
            version=self._version,
            hyperparameters=hyperparameters,
            backend=backend,
        )
        tasks = self._request["tasks"]
        for tiny in (tiny for tiny in TINIES if tiny.task in tasks and self._claims(tiny.task)):
            for rule, what in dict.fromkeys(self._try(plan, tiny)):
                self._say("finding", rule, what, f"tiny {tiny.task} ({tiny.loss_type.name})")

    def _claims(self, task: str) -> bool:
        """Claim a task; False if another session already has."""
        try:
            os.close(os.open(Path(self._request["claims"], task), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _hyperparameters(self) -> dict[str, Any] | None:
        if self._request["ruleset"] == "self":
            return None
        return trial_point(
            load_search_space(Path(self._request["search_space"])),
            study=1, trial=1, num_studies=self._version.num_studies, num_trials=self._version.num_trials,
            seed=seeds.derive("probe"),
        )  # fmt: skip

    def _batch_sizes(self, submission: Submission) -> Iterator[tuple[str, str]]:
        devices = memory.num_devices(self._version)
        for workload in (*self._version.scored, *self._version.held_out.values()):
            try:
                submission.batch_size(workload, self._version.scored, devices)
            except UserError as error:
                yield "13.3", str(error)
        module = sys.modules[f"{SUBMISSION_PACKAGE}.{submission.file.stem}"]
        if hasattr(module, "get_eval_batch_size"):
            yield "13.4", "The function is defined."

    # --- one tiny workload ----------------------------------------------------------------------------------

    def _try(self, plan: Plan, tiny: Tiny) -> Iterator[tuple[str, str]]:
        outcome = yield from self._trial(plan, tiny, "plain", "base", "training")
        if outcome is None:
            return
        self._say("state", memory.described(outcome.end, outcome.state))
        if outcome.unchanged():
            yield "14.5", f"after {NUM_STEPS} steps all parameters have their initial values."
        yield from self._again_from_checkpoint(plan, tiny, outcome)
        yield from self._under_other_names(plan, tiny, outcome)

    def _trial(self, plan: Plan, tiny: Tiny, names: Any, folder: str, doing: str) -> Iterator[tuple[str, str]] | Any:
        """Run a trial. Yields findings, and returns the outcome if the trial was completed."""
        self._say("doing", f"{doing} on tiny {tiny.task}")
        try:
            outcome = trials.run(plan, tiny, names, self._root / tiny.task / folder)
        except UserError:
            raise
        except Exception as error:  # a state that our own code cannot handle
            yield "15.2", f"{type(error).__name__}: {error}"
            return None
        if names == "plain":
            yield from outcome.breaches
        if outcome.completed:
            return outcome
        known = {rule for rule, _ in outcome.breaches}
        rule = _RULE_OF_STATUS.get(outcome.status, "13.5")
        if not (rule in known or (rule == "14.4" and "14.1" in known)):
            yield rule, outcome.message
        return None

    def _again_from_checkpoint(self, plan: Plan, tiny: Tiny, base: TrialOutcome) -> Iterator[tuple[str, str]]:
        for last in (self._root / tiny.task / "base").rglob(f"checkpoint_{NUM_STEPS}"):
            shutil.rmtree(last)
        try:
            resumed = yield from self._trial(plan, tiny, "plain", "base", "resuming")
        except AlgoperfError as error:
            yield "15.2", str(error)
            return
        if resumed is None or _distance(resumed, base) <= SAME:
            return
        yield from self._unless_random(
            plan, tiny, base, "15.3", "after three steps, a checkpoint and three more steps", _distance(resumed, base)
        )

    def _under_other_names(self, plan: Plan, tiny: Tiny, base: TrialOutcome) -> Iterator[tuple[str, str]]:
        other = yield from self._trial(plan, tiny, "reordered", "reordered", "under other names, training")
        if other is None or _distance(other, base) <= SAME_BUT_FOR_ORDER:
            return
        distance = _distance(other, base)
        renamed = yield from self._trial(plan, tiny, "renamed", "renamed", "under other names in order, training")
        if renamed is not None and _distance(renamed, base) <= SAME_BUT_FOR_ORDER:
            yield "15.5", f"parameters end {_percent(distance)} of their way apart."
            return
        yield from self._unless_random(plan, tiny, base, "15.4", "under other names", distance)

    def _unless_random(
        self, plan: Plan, tiny: Tiny, base: TrialOutcome, rule: str, when: str, distance: float
    ) -> Iterator[tuple[str, str]]:
        """Report a difference only if repeating the same trial gives the same result."""
        again = yield from self._trial(plan, tiny, "plain", "again", "once more, training")
        if again is not None and _distance(again, base) > SAME:
            yield "15.1", f"two equal trials end {_percent(_distance(again, base))} of their way apart."
        else:
            yield rule, f"{when}, parameters end {_percent(distance)} of their way from where they were."


def _signatures(submission: Submission) -> Iterator[tuple[str, str]]:
    for name, positional in POSITIONAL.items():
        yield from _bound(name, getattr(submission, name), positional, {})
    for name, keywords in KEYWORDS.items():
        function = getattr(submission, name)
        if function is not None:
            yield from _bound(name, function, (), dict.fromkeys(keywords))


def _bound(
    name: str, function: Any, positional: tuple[str, ...], keywords: dict[str, None]
) -> Iterator[tuple[str, str]]:
    if not callable(function):
        yield "13.2", f"{name} is a {type(function).__name__}, not a function."
        return
    signature = inspect.signature(function)
    given = {**keywords, **({"train_state": None} if "train_state" in signature.parameters and keywords else {})}
    try:
        signature.bind(*positional, **given)
    except TypeError as error:
        by = "by position" if positional else "by keyword"
        yield "13.2", f"{name}{signature}: {error}. It is called {by} with {', '.join(positional or keywords)}."


def _plain(path: str) -> str:
    """A parameter's usual path; see `_names` in the cube's models."""

    def usual(part: re.Match[str]) -> str:
        return part[1] + (str(int(part[2]) - 7) if part[2] else "")

    return re.sub(r"[Mm]\d\d_([A-Za-z_]+)(\d*)(?=[./]|$)", usual, path)


def _distance(one: TrialOutcome, other: TrialOutcome) -> float:
    """Distance between the ends of two trials, relative to the distance that the second one covered."""
    found = {_plain(path): array for path, array in one.end.items()}
    apart = _norm({path: found[path] - array for path, array in other.end.items() if array.dtype.kind == "f"})
    way = _norm({path: array - other.start[path] for path, array in other.end.items() if array.dtype.kind == "f"})
    size = _norm({path: array for path, array in other.end.items() if array.dtype.kind == "f"})
    return apart / (way + _ROUNDING * size)


def _norm(arrays: Arrays) -> float:
    return float(np.sqrt(sum(np.square(array.astype(np.float64)).sum() for array in arrays.values())))


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"


def main(request_file: str, events_file: str) -> None:
    """Run the request in `request_file` and append events to `events_file`."""

    def say(*event: str | float) -> None:
        with open(events_file, "a", encoding="utf-8") as events:
            events.write(json.dumps(event) + "\n")

    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    follow(request["parent"])
    with tempfile.TemporaryDirectory(prefix="algoperf_probe_") as root:
        Session(request, say, Path(root)).run()
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
