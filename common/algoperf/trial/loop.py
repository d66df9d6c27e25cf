"""The timed training loop of one trial, for any framework.

The order of calls, what is timed and when an evaluation is due follow the v0.6 rules (sections 1 and 5), with these
repairs: both frameworks have one monotonic clock; it waits for the devices before an evaluation, and never between two;
no evaluation follows the very first step; the budget is checked at every step.
"""

from __future__ import annotations

import contextlib
import gc
import math

from algoperf import checkpoint, seeds, spec
from algoperf.errors import AlgoperfError, SubmissionError, UnsavedState
from algoperf.frameworks.backend import Backend
from algoperf.integrity.guard import Guard
from algoperf.records.status import Status
from algoperf.submission.loading import Submission
from algoperf.submission.tracebacks import full_traceback, submission_traceback
from algoperf.trial import messages, resume
from algoperf.trial.apart import remote
from algoperf.trial.calls import SubmissionCalls
from algoperf.trial.clock import Clock
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.trial.log import TrialLog
from algoperf.trial.point_dropout import with_point_dropout
from algoperf.trial.progress import Progress
from algoperf.trial.settings import TrialSettings
from algoperf.trial.state import Snapshot, Training, TrialEnd, TrialState
from algoperf.trial.stop_signals import StopSignals
from algoperf.tuning.points import as_hyperparameters

EVALUATION_ATTEMPTS = 2


def make_guard(settings: TrialSettings) -> Guard:
    """The guard of a trial. Call this before the submission is imported."""
    return Guard(settings.submission_folder, {"the stored data": settings.data_dir})


class Trial:
    """Runs one trial of a submission. All processes of a trial run the same code in step.

    Args:
      settings: what to run.
      submission: the loaded submission.
      backend: the framework.
      log: writes the records.
      progress: informs the user.
      clock: the clock of the trial; tests pass their own.
      guard: the guard, created before the submission is imported. If omitted, side effects of the import go
        undetected.
    """

    def __init__(
        self,
        settings: TrialSettings,
        submission: Submission,
        backend: Backend,
        log: TrialLog,
        progress: Progress,
        clock: Clock | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.settings = settings
        self.submission = submission
        self.backend = backend
        self.log = log
        self.progress = progress
        self.clock = clock or Clock()
        self.state = TrialState()
        self.guard = guard or make_guard(settings)
        self._resources = contextlib.ExitStack()
        self._resources.callback(self.guard.close)
        self._resources.callback(self.log.close)
        self.evaluator: Evaluator | remote.RemoteEvaluator
        self._signals = StopSignals()
        self._state_is_unsaved = False

    def run(self) -> Status:
        """Train until the trial ends; record how it ended, and return it."""
        with self._resources, self._signals.heard():
            messages.tell("ready")
            try:
                end = self._unless_breached(self._run_to_end())
                self._signals.ignore()  # the end is recorded, whatever happens
                self.log.end(end.status, end.message, self.state, self.clock.times)
            finally:
                messages.tell("closing")
        self.progress.end(end.status, end.message)
        return end.status

    def _run_to_end(self) -> TrialEnd:
        try:
            self._set_up()
            self.log.running(self.state, self.clock.times)
            if remote.is_wanted(self.backend):
                self.evaluator = remote.RemoteEvaluator(self.settings.directory, self.backend)
            self._wait()
            messages.tell("clock", global_step=self.state.global_step)
            self.clock.start()
            if self.state.eval_results:  # a monotonic time from an earlier process is meaningless here
                self.calls.train_state["last_eval_time"] = self.clock.started
            self._show_times(self.clock.started)
            self.clock.note_compilation(self.backend.compile_seconds(), on_the_clock=False)
            while True:
                self._end_if_done()
                self._step()
                if not self._signals.can_save:  # the first step compiles for long; before its end nothing can be lost
                    self._signals.can_save = True
                    messages.tell("training")
        except TrialEnd as end:
            if end.__cause__ is not None and end.status is not Status.EVALUATION_ERROR:
                messages.tell("traceback", text=full_traceback(end.__cause__))
            self.clock.note_compilation(self.backend.compile_seconds())
            return end
        except SubmissionError as error:
            if not self.log.has_begun:
                raise
            return TrialEnd(Status.SUBMISSION_ERROR, f"At step {self.state.global_step}: {error}")
        except KeyboardInterrupt:
            twice = self._signals.can_save
            how = "by a second signal, without a checkpoint" if twice else "before its first step was done"
            message = f"Stopped {how}; the same command resumes it."
            self.log.end(Status.INTERRUPTED, message, self.state, self.clock.times)
            self.progress.end(Status.INTERRUPTED, message)
            raise
        except BaseException as error:
            if self.log.has_begun or not isinstance(error, AlgoperfError):  # a mistake says nothing about the trial
                message = str(error) if isinstance(error, AlgoperfError) else f"{type(error).__name__}: {error}"
                self.log.end(Status.INTERRUPTED, message, self.state, self.clock.times)
            raise

    # --- before the clock -----------------------------------------------------------------------------------

    def _set_up(self) -> None:
        """Build workload, model, optimizer state and input queue, and resume from a checkpoint if there is one."""
        settings, backend, definition = self.settings, self.backend, self.settings.definition
        resume.seed_global_generators(settings.trial_seed, backend.rank)
        limits = settings.version.limits(definition.name, definition.scale)
        if self.submission.renamed:
            names = ", ".join(sorted(self.submission.renamed))
            self.progress.note(f"note: dropped or renamed by newer libraries, replaced for this submission: {names}")
        bound, notes = with_point_dropout(definition, settings.hyperparameters, settings.version, self.submission)
        for note in notes:
            self.progress.note(note)
        self.workload = backend.bind(bound, limits)
        self.workload.attach_metrics_logger(self.log.metrics_logger)
        self._keys = seeds.TrialKeys(settings.trial_seed)
        params, model_state = self._initial_model()
        params = backend.compile(self.workload, params, settings.compile_policy)
        data = TrialData.open(definition, settings.data_dir, backend.shard, settings.trial_seed)
        self.evaluator = Evaluator(self.workload, data, backend)
        point = None if settings.hyperparameters is None else as_hyperparameters(settings.hyperparameters)
        self.calls = SubmissionCalls(self.submission, self.workload, point, backend, self.clock)
        batch_size = self.calls.batch_size(definition, settings.version.scored)
        if batch_size == definition.largest_batch:
            self.progress.note(f"note: the largest batch size of {definition.name} at this scale is {batch_size}")
        self.training = Training(params, model_state, None)
        self._freeze_garbage_collector()
        self.guard.model_built(lambda: backend.checksums(self.training.params))
        self.training = self.calls.init_optimizer_state(params, model_state, self._keys.optimizer_init)
        del params, model_state  # a resumed trial needs their memory
        self.queue = data.input_queue(batch_size, self.workload.place_training)
        self._resources.callback(self.queue.close)
        data.dataset.warm()
        self.log.start(self.workload, backend, data.dataset.hash, batch_size)
        self._resume()
        self._end_if_breached()
        self.queue.fill()

    def _initial_model(self) -> spec.ModelInitState:
        """Parameters and model state. Raises SubmissionError if a submitted model cannot make them."""
        try:
            return self.workload.init_model_fn(self._keys.model_init)
        except (AlgoperfError, KeyboardInterrupt):
            raise
        except Exception as error:
            if self.settings.model is None:
                raise
            own_frames = submission_traceback(error, self.settings.submission_folder)
            raise SubmissionError(f"The model {self.submission.name} cannot be initialised.\n{own_frames}") from error

    def _freeze_garbage_collector(self) -> None:
        """Exclude modules and model from garbage collection: they stay, and scanning them is most of its work.

        The submission has no objects yet: what it drops later, such as optimizer state, is collected.
        """
        gc.freeze()
        self._resources.callback(gc.unfreeze)

    def _resume(self) -> None:
        found = checkpoint.checkpoints(self.settings.directory)
        if not found:
            return
        resume.restore(found[-1], self._snapshot(), self.log.fingerprint, self.backend)
        self.state.preemption_count += 1
        for global_step, metrics in self.state.eval_results:
            self.calls.show_evaluation(global_step, metrics)
        self.log.resumed(self.state, self.clock)
        self.progress.note(f"resumed from {found[-1].name}")

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.training, self.state, self.clock.times, self.queue)

    # --- the loop --------------------------------------------------------------------------------------------

    def _end_if_done(self) -> None:
        state, max_steps = self.state, self.settings.max_global_steps
        if not state.open_goals:
            what = f"Training ends at step {state.global_step}: both targets are reached."
            raise TrialEnd(Status.TARGET_REACHED, what)
        if state.training_complete:
            if max_steps is not None and state.global_step >= max_steps:
                raise TrialEnd(Status.MAX_STEPS_REACHED, f"Stopped after {max_steps} steps, as asked for.")
            raise TrialEnd(Status.TRAINING_COMPLETE, "The submission ended training (TrainingCompleteError).")

    def _step(self) -> None:
        state, clock, calls = self.state, self.clock, self.calls
        calls.global_step = state.global_step
        select_key, update_key, prepare_key, eval_key = self._keys.of_step(state.global_step)
        batch = calls.data_selection(self.queue, self.training, select_key)
        try:
            calls.update_params(self.training, batch, update_key)
        except spec.TrainingCompleteError:
            state.training_complete = True  # the call counts as a step but changes nothing
        state.global_step += 1
        max_steps = self.settings.max_global_steps
        state.training_complete |= max_steps is not None and state.global_step >= max_steps
        now = clock.charge_step()
        self._show_times(now)
        due, spent, interrupted = self.backend.agree(
            self._evaluation_is_due(now), self._budget_is_spent(), self._signals.received
        )
        self._end_if_spent(spent)
        if due:
            self._evaluate(prepare_key, eval_key)
        elif interrupted or state.training_complete:
            self._save_checkpoint()
        if interrupted:
            raise TrialEnd(Status.INTERRUPTED, "Stopped by a signal; the same command resumes it.")
        if self.progress.due(now):
            self.progress.step(state.global_step, clock, self._next_evaluation_sec(clock.now()))

    def _evaluation_is_due(self, now: float) -> bool:
        settings, state = self.settings, self.state
        if settings.skip_evals:
            return False
        if state.training_complete:
            return True
        if settings.eval_every_steps is not None:
            return state.global_step % settings.eval_every_steps == 0
        # No evaluation follows the very first step, however long it compiled.
        return state.global_step > 1 and self._next_evaluation_sec(now) <= 0

    def _next_evaluation_sec(self, now: float) -> float:
        return self.clock.last_eval_end + self.workload.eval_period_time_sec - now

    def _budget_is_spent(self) -> bool:
        return self.clock.submission_sec >= self.settings.budget_sec

    def _end_if_spent(self, spent: bool) -> None:
        if spent:
            self.calls.train_state["is_time_remaining"] = False
            used = f"{self.clock.submission_sec:.6g} s of {self.settings.budget_sec:.6g} s"
            raise TrialEnd(Status.BUDGET_SPENT, f"The budget was spent at step {self.state.global_step}: {used}.")

    def _show_times(self, now: float) -> None:
        """Refresh what the submission sees as `train_state`."""
        times, state = self.clock.times, self.state
        self.calls.train_state.update(
            validation_goal_reached=state.validation_goal_reached,
            test_goal_reached=state.test_goal_reached,
            training_complete=state.training_complete,
            accumulated_submission_time=self.clock.submission_sec,
            accumulated_eval_time=times.evaluation,
            accumulated_logging_time=times.logging,
            last_step_end_time=now,
        )

    # --- evaluation --------------------------------------------------------------------------------------------

    def _evaluate(self, prepare_key: spec.RandomState, eval_key: spec.RandomState) -> None:
        clock = self.clock
        self.calls.prepare_for_eval(self.training, prepare_key)
        self._wait()
        clock.charge_submission()
        clock.note_compilation(self.backend.compile_seconds())
        with self.queue.paused():
            metrics = self._evaluate_off_the_clock(eval_key)
        self._show_times(clock.now())
        clock.note_compilation(self.backend.compile_seconds(), on_the_clock=False)  # what the evaluation compiled
        self._end_if_nan(metrics)

    def _evaluate_off_the_clock(self, eval_key: spec.RandomState) -> dict[str, float]:
        clock, state = self.clock, self.state
        with clock.evaluation():
            self.log.evaluation_begins(state.global_step, clock)
            self._end_if_spent(*self.backend.agree(self._budget_is_spent()))
            self.calls.check_model(self.training)
            self.guard.clock_stops()
            self._end_if_breached()
            self.queue.prepare()
            metrics = self._evaluate_model(eval_key)
            self._end_if_breached()
        self.calls.train_state["last_eval_time"] = clock.end_evaluation()
        with clock.logging():
            metrics |= self.log.times_of_evaluation(state.global_step, metrics, clock)
            state.eval_results.append((state.global_step, metrics))
            self.calls.show_evaluation(state.global_step, metrics)
            open_before = state.open_goals
            self._note_goals(metrics)
            self._save_checkpoint()  # before the row: every recorded evaluation has a checkpoint to resume from
            self.log.evaluation(state, clock.times)
            reached = [split for split in open_before if split not in state.open_goals]
            self.progress.evaluation(state.global_step, metrics, reached, state.open_goals)
            self.guard.clock_goes_on()
            messages.tell("clock", global_step=state.global_step)
        return metrics

    def _wait(self) -> None:
        self.backend.wait(self.training.params, self.training.model_state, self.training.optimizer_state)

    def _evaluate_model(self, key: spec.RandomState) -> dict[str, float]:
        """The metrics of all splits. On out-of-memory, free cached memory and retry once."""
        for attempt in range(1, EVALUATION_ATTEMPTS + 1):
            self.backend.release_memory()
            try:
                training = self.training
                return self.evaluator.metrics(training.params, training.model_state, key, self.state.global_step)
            except AlgoperfError:
                raise
            except Exception as error:
                if attempt < EVALUATION_ATTEMPTS and self.backend.is_out_of_memory(error):
                    self.progress.note("evaluation ran out of memory; freeing some and trying once more")
                    continue
                what = f"Evaluation at step {self.state.global_step} failed in attempt {attempt}"
                raise TrialEnd(Status.EVALUATION_ERROR, f"{what}: {type(error).__name__}: {error}") from error
        raise AssertionError("the last attempt returns or raises")

    def _note_goals(self, metrics: dict[str, float]) -> None:
        state = self.state
        reached = self.workload.has_reached_validation_target(metrics)
        if reached and state.target_reached_at is None:
            state.target_reached_at = {"global_step": state.global_step, "submission_sec": metrics["score"]}
        state.validation_goal_reached |= reached
        state.test_goal_reached |= self.workload.has_reached_test_target(metrics)

    def _end_if_breached(self) -> None:
        breaches = self.guard.breaches()
        if breaches:
            raise TrialEnd(Status.RULE_BREACH, "\n".join(["The submission broke the rules:", *breaches]))

    def _unless_breached(self, end: TrialEnd) -> TrialEnd:
        """How the trial ended. If a breach is found only now, it ended by that, and the message says both."""
        if end.status is Status.RULE_BREACH:
            return end
        try:
            self._end_if_breached()
        except TrialEnd as breach:
            return TrialEnd(breach.status, f"{breach.message}\nSeen at its end, {end.status.label}: {end.message}")
        return end

    def _end_if_nan(self, metrics: dict[str, float]) -> None:
        nan = [name for name, value in metrics.items() if name.startswith("validation/") and math.isnan(value)]
        if nan:
            raise TrialEnd(Status.NAN, f"{', '.join(nan)} is NaN at step {self.state.global_step}.")

    def _save_checkpoint(self) -> None:
        settings = self.settings
        if settings.keep_checkpoints is None or self._state_is_unsaved:
            return
        messages.tell("saving", global_step=self.state.global_step)
        try:
            resume.save(
                settings.directory, self._snapshot(), self.log.fingerprint, self.backend, settings.keep_checkpoints
            )
        except UnsavedState as error:  # published submissions were scored without checkpoints
            self._state_is_unsaved = True
            self.progress.note(f"no checkpoints from here on: the submission's state cannot be saved ({error})")
