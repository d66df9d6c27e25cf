"""The trial's side: a snapshot of the model goes to the parent, metrics come back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from algoperf import checkpoint, spec
from algoperf.errors import AlgoperfError
from algoperf.frameworks.backend import Backend
from algoperf.trial import messages

SNAPSHOT = ".snapshot"
"""The folder in the trial's folder that holds parameters and model state while they are evaluated."""


class EvaluationFailed(Exception):
    """What the clean process says about an evaluation that failed."""


def is_wanted(backend: Backend) -> bool:
    """Whether the parent has evaluations made apart; waits until it is ready for them. All processes call this."""
    answer = None
    if backend.rank == 0 and messages.has_parent():
        answer = _asked("evaluations")
    (answer, *_) = backend.gather(answer)
    return bool(answer and _result_of(answer).get("apart"))


class RemoteEvaluator:
    """Evaluates like `evaluation.Evaluator`, but in the clean process that the parent keeps."""

    def __init__(self, directory: Path, backend: Backend) -> None:
        """`directory` is the trial's."""
        self._path, self._backend = directory / SNAPSHOT, backend

    def metrics(
        self,
        params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        key: spec.RandomState,
        global_step: int,
    ) -> dict[str, float]:
        """Metrics of all splits; see `Evaluator.metrics`. All processes call this together.

        Raises EvaluationFailed, or the AlgoperfError that stopped the evaluation.
        """
        del key  # it follows from the step
        self._backend.synchronise_model(params, model_state)
        answer = None
        if self._backend.rank == 0:
            model = {"params": self._backend.bare_model(params), "model_state": model_state}
            try:
                checkpoint.save_model(self._path, model, self._backend.codecs)
                answer = _asked("snapshot", global_step=global_step)
            finally:
                shutil.rmtree(self._path, ignore_errors=True)
        (answer, *_) = self._backend.gather(answer)
        assert answer is not None
        return dict(_result_of(answer)["metrics"])


def _asked(kind: str, **content: Any) -> dict[str, Any]:
    """The parent's answer; what it could not do is part of it, so that all processes learn of it."""
    try:
        return messages.ask(kind, **content)
    except AlgoperfError as error:
        return {"error": str(error), "exit_code": error.exit_code}


def _result_of(answer: dict[str, Any]) -> dict[str, Any]:
    if "failure" in answer:
        raise EvaluationFailed(str(answer["failure"]))
    if "error" in answer:
        error = AlgoperfError(str(answer["error"]))
        error.exit_code = int(answer["exit_code"])
        raise error
    return answer
