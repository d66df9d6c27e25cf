"""Whether what a submission returned is a model of the same form as before: a mistake in typing is no breach of rules.

All of it is looked at in the first steps of a process and before every evaluation; in between only the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from algoperf.frameworks.backend import Backend
from algoperf.records.status import Status
from algoperf.trial.state import Training, TrialEnd

TRIPLE = "(optimizer_state, params, model_state)"
_FULL_CHECKS = 2  # the first step may differ from later ones: some methods begin with a warm-up
_SHOWN = 3


class WrongForm(TrialEnd):
    """The submission returned something that is no model of this workload."""

    def __init__(self, message: str) -> None:
        super().__init__(Status.SUBMISSION_ERROR, message)


class ReturnCheck:
    """Checks what one submission returns, for one model."""

    def __init__(self, backend: Backend, params: Any, model_state: Any) -> None:
        self._backend = backend
        self._expected = self._form(params, model_state)
        self._num_checked = 0

    def triple(self, function: str, step: int, result: Any, training: Training) -> tuple[Any, Any, Any]:
        """The three values that `function` returned in place of `training`. Raises WrongForm."""
        if not isinstance(result, (tuple, list)) or len(result) != 3:
            raise WrongForm(f"{function} returned {described(result)} at step {step}. It must return three: {TRIPLE}.")
        optimizer_state, params, model_state = result
        same_types = type(params) is type(training.params) and type(model_state) is type(training.model_state)
        if self._num_checked < _FULL_CHECKS or not same_types:
            self._num_checked += 1
            self.model(f"{function} returned", step, params, model_state)
        return optimizer_state, params, model_state

    def model(self, what: str, step: int, params: Any, model_state: Any) -> None:
        """Raise WrongForm unless this model has the form of the workload's."""
        found = self._form(params, model_state)
        if found == self._expected:
            return
        names = [
            name
            for name in (*sorted(found.keys() - self._expected.keys()), *self._expected)
            if found.get(name) != self._expected.get(name)
        ]
        lines = [
            f"  {name}: came {found.get(name, 'nothing')}, expected {self._expected.get(name, 'nothing')}"
            for name in names[:_SHOWN]
        ]
        more = [f"  and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
        told = "\n".join([f"{what} another model at step {step}:", *lines, *more])
        raise WrongForm(
            f"{told}\nA function must return {TRIPLE}, with names, shapes and dtypes of the model as it got them."
        )

    def _form(self, params: Any, model_state: Any) -> Mapping[str, str]:
        return self._backend.model_form(params, model_state)


def described(result: Any) -> str:
    """A value by its type, and by its length if it has one: "a tuple of 2"."""
    if result is None:
        return "None"
    kind = f"{'an' if type(result).__name__[0] in 'aeiou' else 'a'} {type(result).__name__}"
    return f"{kind} of {len(result)}" if isinstance(result, (tuple, list, dict)) else kind
