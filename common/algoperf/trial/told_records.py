"""The records of a trial that has a parent: the trial says what belongs in them, and only the parent writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.records.json_file import jsonable
from algoperf.records.trial_records import plain_row
from algoperf.trial import messages


class ToldRecords:
    """Has the methods of `TrialRecords`; each tells the parent. `recorder.Recorder` is the other end.

    All but the submission's own rows are requests: they return when the parent has written what they ask for.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.preemption_count = 0

    def write_start(
        self,
        hyperparameters: Mapping[str, Any] | None,
        meta_data: Mapping[str, Any],
        flags: Mapping[str, Any],
    ) -> None:
        """See TrialRecords."""
        content = {"hyperparameters": hyperparameters, "meta_data": meta_data, "flags": flags}
        messages.ask("start", preemption_count=self.preemption_count, **jsonable(content))

    def append_scalar_metrics(
        self,
        metrics: Mapping[str, Any],
        global_step: int,
        preemption_count: int | None = None,
        is_eval: bool = False,
    ) -> None:
        """Tell the parent a row of `measurements.csv`, without waiting: submissions log on the clock.

        They also know the argument `is_eval`, but an evaluation is what the harness says is one.
        """
        del is_eval
        count = self.preemption_count if preemption_count is None else preemption_count
        messages.tell("logged", row=plain_row(metrics, global_step, count))

    def append_evaluation(self, metrics: Mapping[str, Any], global_step: int) -> None:
        """See TrialRecords. The parent knows the metrics, since the message `evaluated`."""
        del metrics
        messages.ask("record", global_step=global_step, preemption_count=self.preemption_count)

    def complete_evaluations(self, known: list[tuple[int, dict[str, float]]]) -> None:
        """See TrialRecords."""
        messages.ask("resumed", preemption_count=self.preemption_count, evaluations=known)

    def reserve(self) -> None:
        """See TrialRecords."""
        messages.ask("reserve")

    def release_reserve(self) -> None:
        """The parent does that before it writes the end."""

    def write_status(self, content: Mapping[str, Any]) -> None:
        """See TrialRecords."""
        messages.ask("status", content=jsonable(content))
