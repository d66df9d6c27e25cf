"""Runs real trials of a submission on tiny workloads, and observes its calls."""

from __future__ import annotations

import copy
import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.checkpoint.tree import Encoder
from algoperf.frameworks.backend import Backend
from algoperf.records.status import Status
from algoperf.submission.loading import SUBMISSION_PACKAGE, Submission, load_submission, submission_file
from algoperf.trial.log import TrialLog
from algoperf.trial.loop import Trial, make_guard
from algoperf.trial.progress import Progress, SilentDisplay
from algoperf.trial.settings import TrialSettings
from algoperf.tuning.ruleset import Ruleset
from algoperf.versions import Version
from algoperf_check.probe.tiny import BATCH_SIZE, Arrays, Names, Tiny, with_limits

NUM_STEPS, EVAL_EVERY_STEPS = 6, 3
_SEED = 20_260
_BATCH_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # in PyTorch, beside the parameters


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings that all trials of a probe share."""

    submission: Path
    framework: str
    ruleset: Ruleset
    version: Version
    hyperparameters: Mapping[str, Any] | None
    backend: Backend


@dataclass(kw_only=True)
class TrialOutcome:
    """The result of one trial.

    Attributes:
      status, message: how it ended.
      start, end: parameters and model state before the first and after the last step, by path.
      state: arrays of the optimizer state at the end, without those of the model.
      breaches: `(rule, what)` observed at the calls.
    """

    status: Status
    message: str
    start: Arrays = field(default_factory=dict)
    end: Arrays = field(default_factory=dict)
    state: Arrays = field(default_factory=dict)
    breaches: list[tuple[str, str]] = field(default_factory=list)

    @property
    def completed(self) -> bool:
        """Whether the trial did all steps, or as many as the submission wanted."""
        return self.status in (Status.MAX_STEPS_REACHED, Status.TRAINING_COMPLETE)

    def unchanged(self) -> bool:
        """Whether all parameters ended as they began; statistics of the model may have changed."""
        return all(np.array_equal(array, self.start[path]) for path, array in self.end.items() if _is_parameter(path))


class _Ending(SilentDisplay):
    """A display that keeps the last line, which says how the trial ended."""

    last = ""

    def line(self, text: str) -> None:
        """See Display."""
        self.last = text


def fresh_submission(path: Path) -> Submission:
    """The submission as a new process would load it: its modules are imported again."""
    folder = str(submission_file(path).parent)
    for name, module in sys.modules.copy().items():
        if name.split(".")[0] == SUBMISSION_PACKAGE or (getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]
    return load_submission(path)


def run(plan: Plan, tiny: Tiny, names: Names, directory: Path) -> TrialOutcome:
    """Run one trial, from the newest checkpoint in `directory` if there is one."""
    definition = tiny.definition(names)
    settings = TrialSettings(
        definition=definition,
        version=with_limits(plan.version, tiny, definition),
        framework=plan.framework,  # type: ignore[arg-type]
        submission_file=submission_file(plan.submission),
        ruleset=plan.ruleset,
        study=1,
        trial=1,
        seed=0,
        fixed_trial_seed=_SEED,  # the same under every name of the workload
        hyperparameters=plan.hyperparameters,
        data_dir=directory / "no_data",
        output_dir=directory,
        max_global_steps=NUM_STEPS,
        eval_every_steps=EVAL_EVERY_STEPS,
        keep_checkpoints="all",
        compile_policy="off",
    )
    observer, display = _Observer(plan.backend), _Ending()
    with closing(make_guard(settings)) as guard:
        submission = observer.watched(fresh_submission(plan.submission))
        progress = Progress(settings, display)
        trial = Trial(settings, submission, plan.backend, TrialLog(settings), progress, guard=guard)
        status = trial.run()
    outcome = TrialOutcome(
        status=status,
        message=display.last.partition(": ")[2],
        start=observer.start,
        breaches=observer.breaches,
    )
    if outcome.completed:
        outcome.end, outcome.state = observer.arrays(trial.training)
    return outcome


class _Observer:
    """Observes the arguments and results of a submission's functions."""

    def __init__(self, backend: Backend) -> None:
        self.start: Arrays = {}
        self.breaches: list[tuple[str, str]] = []
        self._backend = backend
        self._structure: dict[str, str] = {}

    def watched(self, submission: Submission) -> Submission:
        """The submission with its functions observed, and a small batch size."""
        prepare = submission.prepare_for_eval
        return dataclasses.replace(
            submission,
            get_batch_size=lambda workload_name: BATCH_SIZE,
            init_optimizer_state=self._initialising(submission.init_optimizer_state),
            update_params=self._updating(submission.update_params),
            prepare_for_eval=None if prepare is None else self._updating(prepare),
        )

    def arrays(self, training: Any) -> tuple[Arrays, Arrays]:
        """Arrays of the model, and those of the optimizer state that are not the model's, by path."""
        encoder = Encoder(self._backend.codecs)
        bare = self._backend.bare_model(training.params)
        _, model = encoder.tree({"params": bare, "model_state": training.model_state})
        _, state = encoder.tree(training.optimizer_state)
        return _copies(model), _copies(state)

    def _initialising(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def init_optimizer_state(workload: Any, params: Any, model_state: Any, *rest: Any) -> Any:
            self._structure = self._backend.describe_model(params, model_state)
            bare = self._backend.bare_model(params)
            _, model = Encoder(self._backend.codecs).tree({"params": bare, "model_state": model_state})
            self.start = _copies(model)
            return function(workload, params, model_state, *rest)

        return init_optimizer_state

    def _updating(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def update(**arguments: Any) -> Any:
            results, before = arguments["eval_results"], copy.deepcopy(arguments["eval_results"])
            returned = function(**arguments)
            if results != before:
                self._note("14.3", f"{function.__name__} changed eval_results.")
                results[:] = before
            if isinstance(returned, (tuple, list)) and len(returned) == 3:
                self._look_at(function.__name__, *returned[1:])
            return returned

        return update

    def _look_at(self, name: str, params: Any, model_state: Any) -> None:
        found, expected = self._backend.describe_model(params, model_state), self._structure
        for part in sorted(found.keys() | expected.keys()):
            was, now = expected.get(part, "nothing"), found.get(part, "nothing")
            if was != now:
                self._note("14.1", f"{name} returned {part} as {now}; it was {was}.")
                return
        bare = self._backend.bare_model(params)
        _, model = Encoder(self._backend.codecs).tree({"params": bare, "model_state": model_state})
        for path, array in model.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                self._note("14.2", f"{path} is not finite after {name}.")
                return

    def _note(self, rule: str, what: str) -> None:
        if rule not in {known for known, _ in self.breaches}:
            self.breaches.append((rule, what))


def _is_parameter(path: str) -> bool:
    return path.startswith("params/") and path.rpartition(".")[2] not in _BATCH_STATISTICS


def _copies(arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {path: np.array(array) for path, array in arrays.items()}
