"""The state of a trial: what the submission trains, what the loop keeps, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from algoperf import spec
from algoperf.data.batches.queue import InputQueue
from algoperf.records.status import Status
from algoperf.trial.clock import Times


@dataclass
class Training:
    """What a submission trains, and its own state between calls."""

    params: spec.ParameterContainer
    model_state: spec.ModelAuxiliaryState
    optimizer_state: spec.OptimizerState


@dataclass
class TrialState:
    """The timed loop's own state: plain data."""

    global_step: int = 0
    validation_goal_reached: bool = False
    test_goal_reached: bool = False
    training_complete: bool = False
    target_reached_at: dict[str, float] | None = None
    eval_results: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    preemption_count: int = 0

    @property
    def open_goals(self) -> list[str]:
        """The splits whose targets no evaluation has reached yet."""
        reached = {"validation": self.validation_goal_reached, "test": self.test_goal_reached}
        return [split for split, is_reached in reached.items() if not is_reached]


@dataclass
class Snapshot:
    """The complete state of a trial between two steps."""

    training: Training
    state: TrialState
    times: Times
    queue: InputQueue


class TrialEnd(Exception):
    """Ends a trial with a status and a message for the user."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
