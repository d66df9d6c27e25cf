"""Whether the outputs of a submitted model have the shape that a workload's loss needs; losses would not always tell.

Some broadcast, and an index out of range gives NaN in JAX.
"""

from __future__ import annotations

import math
from typing import Any

from algoperf.errors import SubmissionError
from algoperf.workload.definition import WorkloadDefinition


def require_outputs(definition: WorkloadDefinition, labels: Any, outputs: Any) -> None:
    """Raise SubmissionError, with the shape wanted, unless the loss can be computed of outputs for labels.

    Both are arrays of a framework, or pairs of values and paddings. More classes than there are do no harm.
    """
    loss, num_outputs = definition.computed_loss, definition.dataset.num_classes
    if loss == "ctc":
        values, paddings = outputs if isinstance(outputs, tuple) and len(outputs) == 2 else (outputs, None)
        shape = _shape(values)
        fits = len(shape) == 3 and shape[0] == len(labels[0]) and shape[2] >= (num_outputs or 0)
        fits = fits and _shape(paddings) == shape[:2]
        wanted = f"a pair of logits ({len(labels[0])}, T, {num_outputs}) and paddings ({len(labels[0])}, T)"
    elif loss == "sigmoid":
        fits = hasattr(outputs, "shape") and math.prod(_shape(outputs)) == math.prod(_shape(labels))
        wanted = f"one logit per row, ({len(labels)},) or ({len(labels)}, 1)"
    elif loss in ("softmax", "tokens") and "int" in str(labels.dtype):
        shape = _shape(outputs)
        fits = shape[:-1] == _shape(labels) and shape[-1:] >= (num_outputs or 0,)
        wanted = f"logits {(*_shape(labels), num_outputs)}"
    else:
        fits = hasattr(outputs, "shape") and _shape(outputs) == _shape(labels)
        wanted = f"the shape of the targets, {_shape(labels)}"
    if not fits:
        hint = "" if num_outputs is None else f" Give its last layer task.num_outputs = {num_outputs} units."
        raise SubmissionError(
            f"The outputs of the model for {definition.name} have the wrong shape: {_described(outputs)}. "
            f"Wanted: {wanted}.{hint} Change what build(task) returns; docs/model-track.md says more."
        )


def _shape(array: Any) -> tuple[int, ...]:
    """The shape of an array; that of a scalar for anything else."""
    return tuple(getattr(array, "shape", ()))


def _described(outputs: Any) -> str:
    if isinstance(outputs, (tuple, list)):
        return f"a {type(outputs).__name__} of {', '.join(map(_described, outputs)) or 'nothing'}"
    return str(_shape(outputs)) if hasattr(outputs, "shape") else type(outputs).__name__
