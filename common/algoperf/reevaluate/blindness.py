"""What a submitted model must not look at when it is evaluated: other rows, earlier batches, later tokens.

It has no labels, but a model that adapts to the rows it is evaluated on learns from the validation split, and the
inputs of a language model are its labels, one position late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from algoperf.data.contracts import Batch, Padded
from algoperf.trial.data import TrialData

_TOLERANCE = 1e-3  # of the largest output: sums in another order differ by less
_OTHER_ROWS = 0.05  # of decoded rows
Outputs = Callable[[Batch], Mapping[str, np.ndarray]]


def flaws(outputs: Outputs, data: TrialData, batch_size: int) -> list[str]:
    """What a model does that it must not, as sentences; found out on one batch of the validation split."""
    rows = data.definition.eval_rows_per_device
    batch_size = batch_size if rows is None else min(batch_size, rows * data.shard.num_parts)
    batch = data.evaluation("validation", batch_size, global_step=0)[0]
    end_id = data.definition.evaluation.end_id
    if end_id is not None:  # the model decodes; its inputs are another text than its labels
        return list(_flaws(_sentences(outputs, end_id), batch, is_text=False))
    return list(_flaws(outputs, batch, is_text=data.definition.computed_loss == "tokens"))


def _sentences(outputs: Outputs, end_id: int) -> Outputs:
    """The same with zeros behind the end of each sentence, as far as targets reach: nothing else counts."""

    def cut(batch: Batch) -> dict[str, np.ndarray]:
        found = {}
        for name, ids in outputs(batch).items():
            kept = np.where(np.cumsum(ids == end_id, axis=1) > (ids == end_id), 0, ids)
            found[name] = np.pad(kept, ((0, 0), (0, batch["targets"].shape[1] - ids.shape[1])))
        return found

    return cut


def _flaws(outputs: Outputs, batch: Batch, is_text: bool) -> Iterator[str]:
    first, inputs = outputs(batch), batch["inputs"]
    if _differs(outputs(batch), first):
        yield "the model's outputs for the same inputs change from one evaluation to the next"
        return  # nothing can be compared
    half = _num_rows(inputs) // 2
    if half and _differs(_rows(outputs({**batch, "inputs": _repeated(inputs, half)}), half), _rows(first, half)):
        yield "the model's outputs for an example depend on the other examples of its batch"
    if is_text:
        middle = inputs.shape[1] // 2
        changed = inputs.copy()
        changed[:, middle:] = np.roll(inputs[:, middle:], 1, axis=0)  # the tokens of another row
        found = {name: value[:, :middle] for name, value in outputs({**batch, "inputs": changed}).items()}
        if _differs(found, {name: value[:, :middle] for name, value in first.items()}):
            yield "the model's outputs at a token depend on later tokens, which are its labels"


def _num_rows(inputs: Any) -> int:
    """Rows of inputs that are independent arrays; 0 for graphs, which share their arrays."""
    if isinstance(inputs, Padded):
        return len(inputs.values)
    return len(inputs) if isinstance(inputs, np.ndarray) else 0


def _repeated(inputs: Any, half: int) -> Any:
    """The first `half` rows, and then the first of them again in place of all others."""
    if isinstance(inputs, Padded):
        return Padded(_repeated(inputs.values, half), _repeated(inputs.lengths, half), inputs.dtype)
    return np.concatenate([inputs[:half], np.repeat(inputs[:1], len(inputs) - half, axis=0)])


def _rows(outputs: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    return {name: value[:number] for name, value in outputs.items()}


def _differs(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> bool:
    return any(_is_other(found[name], value) for name, value in expected.items())


def _is_other(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.shape != expected.shape:
        return True
    if np.issubdtype(expected.dtype, np.integer):  # tokens: rounding may turn a close decision, and all behind it
        return float((found != expected).reshape(len(expected), -1).any(axis=1).mean()) > _OTHER_ROWS
    largest = float(np.abs(expected).max(initial=1e-30))
    return not np.allclose(found, expected, rtol=0, atol=_TOLERANCE * largest, equal_nan=True)
