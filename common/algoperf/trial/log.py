"""Records a trial while it runs: the published files, and `status.json` with its state and where its time went."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from algoperf.records import environment
from algoperf.records.status import Status, read_status
from algoperf.records.trial_records import TrialRecords
from algoperf.submission.identity import other_hashes
from algoperf.trial import failures, messages
from algoperf.trial.clock import Clock, Times, columns
from algoperf.trial.settings import TrialSettings, submission_hash
from algoperf.trial.told_records import ToldRecords
from algoperf.workload.bound import BoundWorkload, num_parameters

if TYPE_CHECKING:
    from algoperf.frameworks.backend import Backend
    from algoperf.trial.state import TrialState


class TrialLog:
    """The records of one trial, written by its parent, or by process 0 if there is none.

    Every process notes its own failure.

    Attributes:
      fingerprint: what must be equal to resume from a checkpoint; known after `start`.
      has_begun: whether something was recorded of this process, so that its end must be, too.
    """

    def __init__(
        self,
        settings: TrialSettings,
        rank: int = 0,
        flags: Mapping[str, Any] | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        """`identity` is the settings' own at the moment when the submission was loaded; by default, that of now."""
        self._settings = settings
        self._rank = rank
        self._flags = dict(flags or {})
        self._identity = dict(identity or settings.identity())
        self._about: dict[str, Any] = {}
        self._meta_data: dict[str, Any] = {}
        self._backend: Backend | None = None
        self.fingerprint: dict[str, Any] = {}
        self._records: TrialRecords | ToldRecords | None = None
        self.has_begun = False
        if rank == 0:
            self._records = (ToldRecords if messages.has_parent() else TrialRecords)(settings.directory)

    @property
    def metrics_logger(self) -> TrialRecords | ToldRecords | None:
        """The logger that submissions use; None in processes other than the first."""
        return self._records

    def start(self, workload: BoundWorkload, backend: Backend, dataset_hash: str, batch_size: int) -> None:
        """Note what the trial runs on, before the clock starts."""
        settings, found = self._settings, backend.environment()
        versions = {**environment.versions(), **found["versions"]}
        self._backend = backend
        self.fingerprint = {
            **self._identity,
            "harness code": environment.harness_hash(),
            "dataset": dataset_hash,
            "batch size": batch_size,
            "devices": backend.num_devices,
            "processes": backend.num_processes,
            **{f"version of {name}": value for name, value in versions.items()},
        }
        self._about = {
            "model": {"num_parameters": num_parameters(workload)},
            "trial_seed": settings.trial_seed,
            "batch_size": batch_size,
            "dataset": {"name": settings.definition.dataset.name, "hash": dataset_hash},
            "submission_hash": submission_hash(self._identity),
            "other_submission_files": other_hashes(settings.submission_file),
            "versions": versions,
            "hardware": {**environment.hardware(), "devices": found["devices"]},
            "budget_sec": settings.budget_sec,
            "targets": {
                "metric": workload.target_metric_name,
                "validation": workload.validation_target_value,
                "test": workload.test_target_value,
            },
        }
        self._meta_data = {
            **environment.workload_properties(workload),
            **environment.utilisation(),
            **environment.git_state(),
            **self._about,
            "rng_seed": settings.trial_seed,
        }

    def resumed(self, state: TrialState, clock: Clock) -> None:
        """Complete the rows up to the checkpoint being resumed, and go on from the times that they have."""
        if self._records is not None:
            self._records.preemption_count = state.preemption_count
        if isinstance(self._records, ToldRecords):
            clock.agree(self._records.go_on(state.global_step, state.eval_results, clock.times.as_dict()))
        elif self._records is not None:
            self._records.complete_evaluations(state.eval_results)

    def running(self, state: TrialState, times: Times) -> None:
        """Write what is known just before the clock starts."""
        if self._records is not None:
            self._records.reserve()
        self.has_begun = True
        if self._records is not None:
            settings = self._settings
            flags = {**settings.describe(), "search_space": settings.search_space, **self._flags}
            self._records.write_start(settings.hyperparameters, self._meta_data, flags)
        self._write(Status.RUNNING, "", state, times)

    def evaluation_begins(self, global_step: int, clock: Clock) -> None:
        """The clock stops now; `clock` learns the official time, if there is a parent."""
        if isinstance(self._records, ToldRecords):
            clock.agree(self._records.tell_beginning(global_step))

    def times_of_evaluation(self, global_step: int, metrics: Mapping[str, float], clock: Clock) -> dict[str, float]:
        """The columns with the times of an evaluation that ends now: the parent's, if there is one."""
        if not isinstance(self._records, ToldRecords):
            return columns(clock.times.as_dict())
        return self._records.tell_evaluation(global_step, metrics, clock.times.as_dict())

    def evaluation(self, state: TrialState, times: Times) -> None:
        """Append the latest evaluation."""
        if self._records is not None:
            global_step, metrics = state.eval_results[-1]
            self._records.append_evaluation(metrics, global_step)
        self._write(Status.RUNNING, "", state, times)

    def close(self) -> None:
        """Nothing more will be recorded."""
        if self._records is not None:
            self._records.release_reserve()

    def end(self, status: Status, message: str, state: TrialState, times: Times) -> None:
        """Write down how the trial ended."""
        if self._rank != 0:
            if not status.finished:
                failures.note(self._settings.directory, self._rank, status, message)
            return
        self.close()
        if not self.has_begun and self._end_before_start(status, message):
            return
        if status.finished and status is not Status.PRUNED and self._records is not None:  # a pruned one may go on
            self._records.append_end(times.submission, state.global_step)
        first = None if status.finished else failures.of_another_process(self._settings.directory)
        end = (status, message) if first is None else (first.status, first.message)
        self._write(*end, state, times)

    def _end_before_start(self, status: Status, message: str) -> bool:
        """If the trial never started, keep its existing status: being refused says nothing about the trial."""
        known = read_status(self._settings.directory)
        if known is not None and status is not Status.INTERRUPTED and self._records is not None:
            self._records.write_status({**known, "status": status.label, "message": message})
        return known is not None

    def _memory(self) -> dict[str, int | None]:
        """The most memory that this process has had so far, in bytes."""
        device = None if self._backend is None else self._backend.peak_device_bytes()
        return {"host_peak_bytes": environment.peak_host_bytes(), "device_peak_bytes": device}

    def _write(self, status: Status, message: str, state: TrialState, times: Times) -> None:
        if self._records is None:
            return
        last_step, last = state.eval_results[-1] if state.eval_results else (None, None)
        self._records.write_status(
            {
                "status": status.label,
                "finished": status.finished,
                "message": message,
                **self._settings.describe(),
                "global_step": state.global_step,
                "target_reached_at": state.target_reached_at,
                "last_evaluation": {"global_step": last_step, "metrics": last},
                "num_evaluations": len(state.eval_results),
                "preemption_count": state.preemption_count,
                "seconds": times.as_dict(),
                "compilation": self._backend.compile_note if self._backend else None,
                **self._about,
                "memory": self._memory(),
                "machine": None,  # a parent knows it
                "referee": False,  # a parent is one
                "process_id": os.getpid(),
                "identity": self._identity,
            }
        )
