"""Calls the functions of a submission with the arguments that the rules give them, and times them.

An error of the submission becomes a `TrialEnd`; an error of the harness stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from algoperf import spec
from algoperf.data.batches.queue import InputQueue
from algoperf.errors import AlgoperfError
from algoperf.frameworks.backend import Backend
from algoperf.records.status import Status
from algoperf.submission.functions import FUNCTIONS
from algoperf.submission.loading import Submission, explain_pmap_era
from algoperf.submission.tracebacks import raised_in, submission_traceback
from algoperf.trial.clock import Clock
from algoperf.trial.returned import ReturnCheck, WrongForm, described
from algoperf.trial.state import Training, TrialEnd
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition


class SubmissionCalls:
    """One submission on one workload.

    Attributes:
      eval_results: evaluations as the submission sees them: copies, without the test split.
      train_state: the part of the harness's state that the submission may read; refreshed after every step.
      global_step: number of the current step; the loop keeps it up to date.
    """

    def __init__(
        self,
        submission: Submission,
        workload: BoundWorkload,
        hyperparameters: spec.Hyperparameters,
        backend: Backend,
        clock: Clock,
    ) -> None:
        self.eval_results: list[tuple[int, dict[str, float]]] = []
        self.train_state: dict[str, Any] = {"is_time_remaining": True, "last_eval_time": 0}
        self.global_step = 0
        self._submission = submission
        self._workload = workload
        self._hyperparameters = hyperparameters
        self._backend = backend
        self._clock = clock
        self._extra = {"train_state": MappingProxyType(self.train_state)} if submission.wants_train_state else {}

    def show_evaluation(self, global_step: int, metrics: dict[str, float]) -> None:
        """Show an evaluation to the submission, without the test split."""
        shown = {name: value for name, value in metrics.items() if not name.startswith("test/")}
        self.eval_results.append((global_step, shown))

    def batch_size(self, definition: WorkloadDefinition, scored: tuple[str, ...]) -> int:
        """The global training batch size; see `Submission.batch_size`. Not timed."""
        num_examples, num_devices = definition.examples.train, self._backend.num_devices
        return self._submission.batch_size(definition.name, scored, num_devices, num_examples, definition.largest_batch)

    def init_optimizer_state(self, params: Any, model_state: Any, key: spec.RandomState) -> Training:
        """Create the submission's state for a new model. Not timed."""
        self._returned = ReturnCheck(self._backend, params, model_state)
        state = self._guarded(
            self._submission.init_optimizer_state,
            self._workload,
            params,
            model_state,
            self._hyperparameters,
            key,
        )
        return Training(params, model_state, state)

    def data_selection(self, queue: InputQueue, training: Training, key: spec.RandomState) -> Any:
        """Let the submission choose what to train on."""
        begin = self._clock.now()
        try:
            return self._guarded(
                self._submission.data_selection,
                self._workload, queue, training.optimizer_state, training.params, training.model_state,
                self._hyperparameters, self.global_step, key,
            )  # fmt: skip
        finally:
            self._clock.times.data_wait += self._clock.now() - begin

    def update_params(self, training: Training, batch: Any, key: spec.RandomState) -> None:
        """Let the submission update `training`. Passes TrainingCompleteError on and then changes nothing."""
        arguments = {**self._arguments(training, key), "batch": batch, **self._extra}
        begin = self._clock.now()
        try:
            self._update(self._submission.update_params, training, arguments)
        finally:
            self._clock.times.update += self._clock.now() - begin

    def prepare_for_eval(self, training: Training, key: spec.RandomState) -> None:
        """Let the submission prepare its parameters for evaluation. What it returns is kept."""
        if self._submission.prepare_for_eval is None:
            return
        begin = self._clock.now()
        try:
            self._update(self._submission.prepare_for_eval, training, self._arguments(training, key))
        finally:
            self._clock.times.prepare_for_eval += self._clock.now() - begin

    def check_model(self, training: Training) -> None:
        """Raise a TrialEnd if the model is no longer one of this workload. Not timed."""
        self._returned.model("The submission has made", self.global_step, training.params, training.model_state)

    def _arguments(self, training: Training, key: spec.RandomState) -> dict[str, Any]:
        return {
            "workload": self._workload,
            "current_param_container": training.params,
            "current_params_types": self._workload.model_params_types,
            "model_state": training.model_state,
            "hyperparameters": self._hyperparameters,
            "loss_type": self._workload.loss_type,
            "optimizer_state": training.optimizer_state,
            "eval_results": self.eval_results,
            "global_step": self.global_step,
            "rng": key,
        }

    def _update(self, function: Callable[..., Any], training: Training, arguments: dict[str, Any]) -> None:
        result = self._guarded(function, **arguments)
        try:
            triple = self._returned.triple(self._name_of(function), self.global_step, result, training)
        except WrongForm as wrong:
            raise WrongForm(f"{wrong.message}{self._era()}") from None
        training.optimizer_state, training.params, training.model_state = triple

    def _guarded(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a submission that exits must not look like a success
            if isinstance(error, AlgoperfError) and not raised_in(error, self._submission.folder):
                raise  # the harness's own: damaged data, for example
            if isinstance(error, spec.TrainingCompleteError) and function is self._submission.update_params:
                raise
            own_frames = submission_traceback(error, self._submission.folder)
            hints = f"{_hint(kwargs)}{self._era()}"
            message = f"{self._name_of(function)} failed at step {self.global_step}.{hints}\n{own_frames}"
            ran_out = self._backend.is_out_of_memory(error)
            raise TrialEnd(Status.OUT_OF_MEMORY if ran_out else Status.SUBMISSION_ERROR, message) from error

    def _name_of(self, function: Callable[..., Any]) -> str:
        """The name in the API of a function of the submission, which may be a `functools.partial` or an object."""
        return next(name for name in FUNCTIONS if getattr(self._submission, name) is function)

    def _era(self) -> str:
        """Why a submission cannot run, if it was written for another era of the benchmark."""
        return f" {explain_pmap_era(self._submission)}" if self._submission.pmap_era else ""


def _hint(kwargs: dict[str, Any]) -> str:
    """What the submission returned earlier that may explain its error: allowed values, but rarely wanted ones."""
    batch, state = kwargs.get("batch", {}), kwargs.get("optimizer_state", {})
    if not (isinstance(batch, Mapping) and (batch or "batch" not in kwargs)):
        return f" Its batch is {described(batch)}, as data_selection returned it; the input queue has dictionaries."
    if state is None or isinstance(state, (int, float, str, Iterator, Coroutine)):
        return f" Its optimizer_state is {described(state)}, as init_optimizer_state or an earlier step returned it."
    return ""
