"""What a submitted model decodes: its function `decode` in the place of the `evaluate` of a cube's model module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf.data.contracts import Batch
from algoperf.errors import AlgoperfError, SubmissionError
from algoperf.submission.tracebacks import submission_traceback
from algoperf.workload.definition import Framework

SIGNATURES: Mapping[Framework, str] = {
    "jax": "decode(model, variables, inputs, num_tokens)",
    "pytorch": "decode(model, inputs, num_tokens)",
}
"""The function as a submission defines it. `variables` hold parameters and model state, as `model.apply` takes them."""


def decoded(
    decode: Callable[..., Any], file: Path, framework: Framework, num_tokens: int,
    model: Any, params: Any, model_state: Any, batch: Batch, rng: Any,
) -> dict[str, Any]:  # fmt: skip
    """`translations` (B, L), ids of at most `num_tokens` tokens, of the inputs of a batch and of nothing else of it."""
    del rng
    given: tuple[Any, ...]
    if framework == "jax":
        given = (model, {"params": params, **(model_state or {})}, batch["inputs"], num_tokens)
    else:
        model.eval()  # no step of the evaluation has done it
        given = (model, batch["inputs"], num_tokens)
    try:
        found = decode(*given)
    except (AlgoperfError, KeyboardInterrupt):
        raise
    except Exception as error:
        own = submission_traceback(error, file.parent)
        raise SubmissionError(f"decode(...) in {file} failed.\n{own}") from error
    if not hasattr(found, "shape"):
        raise SubmissionError(
            f"decode(...) in {file} returned {type(found).__name__}. Allowed: an array of integers (B, L)."
        )
    return {"translations": found}
