"""The process that runs a submitted model for its evaluation: `python -m algoperf.reevaluate.model_process REQUEST`.

It is given the inputs of batches and returns the model's outputs. It has no labels, no data set, and, where the system
allows it, no network. What it says is read as numbers and text, and never as objects.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import save

from algoperf import checkpoint
from algoperf.data.contracts import Batch
from algoperf.errors import AlgoperfError, text_of
from algoperf.frameworks import load_backend
from algoperf.integrity.guard import Guard
from algoperf.metrics.base import Evaluation
from algoperf.metrics.means import CLASSIFICATION
from algoperf.reevaluate import restoring
from algoperf.reevaluate.frames import ARRAYS, ERROR, read_frame, write_frame
from algoperf.submission.model import SubmittedModel
from algoperf.submission.tracebacks import submission_traceback
from algoperf.workload.registry import find_workload, model_module

_OUTPUTS = Evaluation(step="outputs", accumulator=CLASSIFICATION.accumulator)


def main() -> None:
    """Answer requests until there are no more."""
    asked = json.loads(sys.argv[1])
    model = SubmittedModel(Path(asked["model"]))
    with open(asked["requests"], "rb") as requests, open(asked["answers"], "wb") as answers:
        try:
            _serve(Path(asked["checkpoint"]), asked["workload"], model, requests, answers)
        except Exception as error:
            own = "" if isinstance(error, AlgoperfError) else f"\n{submission_traceback(error, model.folder)}"
            write_frame(answers, ERROR, f"{text_of(error)}{own}".encode(errors="replace"))


def _serve(path: Path, workload: str, model: SubmittedModel, requests: BinaryIO, answers: BinaryIO) -> None:
    fingerprint = checkpoint.read_manifest(path)["fingerprint"]
    definition = find_workload(workload)
    backend = load_backend(fingerprint["framework"])
    model_module(definition, fingerprint["framework"])
    with closing(Guard(model.folder, {"the records": path.parent})) as guard:
        changed = definition.with_model(model)
        if definition.evaluation.decoded is None:
            changed = dataclasses.replace(changed, evaluation=_OUTPUTS)
        bound = restoring.bind(fingerprint, changed, backend)
        keys = restoring.trial_keys(fingerprint)
        params, model_state = restoring.restore_parameters(path, bound, backend, keys)
        step = bound.evaluation_step(params, model_state, keys.of_step(asked_step(path) - 1)[-1])
        while (frame := read_frame(requests)) is not None:
            found = _answer(bound.place, step, bound.fetch, pickle.loads(frame[1]))
            if breaches := guard.breaches():
                raise AlgoperfError("\n".join(["The model broke the rules while it was evaluated:", *breaches]))
            write_frame(answers, ARRAYS, save(found))


def asked_step(path: Path) -> int:
    """The step of a checkpoint."""
    return int(checkpoint.read_manifest(path)["global_step"])


def _answer(
    place: Callable[[Batch], Batch],
    step: Callable[[Batch], Mapping[str, Any]],
    fetch: Callable[[Mapping[str, Any]], dict[str, np.ndarray]],
    batch: Batch,
) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(value) for name, value in fetch(step(place(batch))).items()}


if __name__ == "__main__":
    main()
