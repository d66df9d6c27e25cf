"""The models of the model track: how large they are, and where the benchmark's own, the reference, is missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from algoperf.submission.track import PUBLISHED
from algoperf.text import format_bytes
from algoperf_scoring.findings import printable
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.reading import Comparison

UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Model:
    """A model on a data set, over all runs there that count.

    Attributes:
      entry, workload: whose it is, and the data set.
      num_parameters: numbers in its parameters; None if no run says it.
      device_bytes, host_bytes: the largest memory of a device and of the process; None if no run says it.
    """

    entry: str
    workload: str
    num_parameters: int | None
    device_bytes: int | None
    host_bytes: int | None

    @property
    def parameters(self) -> str:
        """How many numbers are in its parameters, for people."""
        return UNKNOWN if self.num_parameters is None else f"{self.num_parameters:,}"

    @property
    def memory(self) -> str:
        """The memory of its runs, for people; a device's where there is one."""
        if self.device_bytes is not None:
            return f"{format_bytes(self.device_bytes)} of a device"
        return UNKNOWN if self.host_bytes is None else f"{format_bytes(self.host_bytes)} of the process"


def models(board: Leaderboard) -> list[Model]:
    """The models of a leaderboard, by data set and then in its order; empty in the other track."""
    comparison = board.comparison
    if comparison.track != "model":
        return []
    found = []
    for workload in board.workloads:
        for entry in board.shown:
            name, _, framework = entry.submission.partition(" (")
            facts = [
                trial.facts
                for trial in comparison.trials
                if (trial.submission, trial.workload) == (name, workload)
                and framework in ("", f"{trial.framework})")
            ]  # fmt: skip
            if facts:
                found.append(
                    Model(
                        entry.submission,
                        workload,
                        _largest(each.num_parameters for each in facts),
                        _largest(each.device_peak_bytes for each in facts),
                        _largest(each.host_peak_bytes for each in facts),
                    )
                )
    return found


def without_reference(board: Leaderboard) -> list[str]:
    """The data sets of the model track on which models were run, but the published one was not."""
    if board.comparison.track != "model":
        return []
    trials = board.comparison.trials
    known = {trial.workload for trial in trials if trial.submission == PUBLISHED}
    others = {trial.workload for trial in trials} - known
    return [workload for workload in board.workloads if workload in others]


def models_in_words(board: Leaderboard) -> list[str]:
    """Parameters and memory of every model, and what is missing to compare with."""
    lines = [f"{one.entry} on {one.workload}: {one.parameters} parameters, {one.memory}" for one in models(board)]
    return [*reference_in_words(board), *lines]


def reference_in_words(board: Leaderboard) -> list[str]:
    """A sentence if the published model is missing anywhere, and how to run it."""
    missing = without_reference(board)
    if not missing:
        return []
    return [
        f"There is no run of the published model with NAdamW on {', '.join(missing)}, so times there have no "
        f"reference. Make one: {_training(board.comparison, missing[0])}"
    ]


def _training(comparison: Comparison, workload: str) -> str:
    """The command that trains the published model beside the runs on a data set: all that it cannot guess."""
    beside = next(trial for trial in comparison.trials if trial.workload == workload)
    options = {
        "model": PUBLISHED,
        "workload": workload,
        "framework": beside.framework,
        "scale": comparison.scale,
        "version": comparison.version.name,
        "output-dir": printable(beside.folder.parents[3]),
    }
    return " ".join(["algoperf train", *(f"--{name} {shlex.quote(value)}" for name, value in options.items())])


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
