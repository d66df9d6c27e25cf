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

    def tell_beginning(self, global_step: int) -> float:
        """Tell the parent that the clock stops for an evaluation; returns the official submission time."""
        return float(messages.ask("evaluation", global_step=global_step)["seconds"]["submission"])

    def tell_evaluation(
        self, global_step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]
    ) -> dict[str, float]:
        """Tell the parent what an evaluation found, and the trial's own times; returns the columns with its times."""
        answer = messages.ask("evaluated", global_step=global_step, metrics=metrics, seconds=seconds)
        return {str(name): float(value) for name, value in answer["columns"].items()}

    def append_end(self, submission_sec: float, global_step: int) -> None:
        """The parent writes this row with its own time, when it is told how the trial ended."""

    def go_on(self, global_step: int, known: list[tuple[int, dict[str, float]]], seconds: Mapping[str, float]) -> float:
        """Complete the rows up to the checkpoint being resumed; returns the official submission time there.

        Args:
          global_step: the checkpoint's.
          known: the evaluations in it; see `TrialRecords.complete_evaluations`.
          seconds: the trial's own times in it.
        """
        count = self.preemption_count
        answer = messages.ask(
            "resumed", global_step=global_step, preemption_count=count, evaluations=known, seconds=seconds
        )
        return float(answer["seconds"]["submission"])

    def reserve(self) -> None:
        """See TrialRecords."""
        messages.ask("reserve")

    def release_reserve(self) -> None:
        """The parent does that before it writes the end."""

    def write_status(self, content: Mapping[str, Any]) -> None:
        """See TrialRecords."""
        messages.ask("status", content=jsonable(content))
