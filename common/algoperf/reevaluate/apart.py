"""Evaluates a submitted model apart from the labels: the model is in another process, metrics are computed in this one.

This process never imports the submission's code.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import load

from algoperf.data.contracts import Batch
from algoperf.errors import AlgoperfError
from algoperf.frameworks.steps import STEPS
from algoperf.reevaluate.frames import ARRAYS, read_frame, write_frame
from algoperf.submission.model import SubmittedModel
from algoperf.system import clean_python, confined
from algoperf.workload.bound import BoundWorkload

INPUTS = "inputs"
"""What the names of a batch's inputs begin with; everything else of a batch stays in this process."""
_SHOWN_LINES = 5


class ModelProcess:
    """A submitted model, restored from a checkpoint in a process of its own. A context manager.

    Args:
      checkpoint: the checkpoint's folder.
      workload: name of the workload, or folder of its cube.
      model: the submission; its code is that of the checkpoint.
      hidden: folders that the process must not see, such as that of the data.
    """

    def __init__(self, checkpoint: Path, workload: str, model: SubmittedModel, hidden: list[Path]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (`__exit__` closes all three)
        requests, self._requests = _pipe()
        answers_read, answers = os.pipe()
        self._answers = os.fdopen(answers_read, "rb")
        asked = {
            "checkpoint": str(checkpoint.resolve()),
            "workload": workload,
            "model": str(model.folder),
            "requests": requests,
            "answers": answers,
        }
        command = clean_python("algoperf.reevaluate.model_process", json.dumps(asked))
        self._process = subprocess.Popen(
            [*confined(hidden, [checkpoint.parent]), *command],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, pass_fds=(requests, answers),
        )  # fmt: skip
        os.close(requests)
        os.close(answers)

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._answers, self._log):
            stream.close()

    def outputs(self, batch: Batch) -> dict[str, np.ndarray]:
        """What the model makes of the inputs of a batch: `output_0` and so on, or `translations` if it decodes.

        Raises AlgoperfError if it fails.
        """
        inputs = {name: value for name, value in batch.items() if name.startswith(INPUTS)}
        with contextlib.suppress(BrokenPipeError):  # what it said before its end is read below
            write_frame(self._requests, ARRAYS, pickle.dumps(inputs))
        answer = read_frame(self._answers)
        if answer is None:
            raise AlgoperfError(f"The process of the model ended.{self._last_lines()}")
        kind, content = answer
        if kind != ARRAYS:
            raise AlgoperfError(content.decode(errors="replace"))
        return load(content)

    def _last_lines(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        return f" Its last lines:\n{chr(10).join(lines)}" if lines else ""


def _pipe() -> tuple[int, BinaryIO]:
    """A pipe: the number of its end for another process, and this process's end for writing."""
    read, write = os.pipe()
    return read, os.fdopen(write, "wb")


class WorkloadApart:
    """A workload whose model is in another process; it does what `trial.evaluation.Evaluator` asks of a workload."""

    def __init__(self, published: BoundWorkload, process: ModelProcess) -> None:
        """`published`: the workload with the published model, of which only loss, metric and placement are used."""
        self._published, self._process = published, process
        self._step = STEPS[published.definition.evaluation.step]

    @property
    def eval_batch_size(self) -> int:
        """See BoundWorkload."""
        return self._published.eval_batch_size

    def place(self, batch: Batch) -> Batch:
        """The batch itself: it is placed beside the model's outputs."""
        return batch

    def evaluation_step(self, params: Any, model_state: Any, rng: Any) -> Callable[[Batch], Mapping[str, Any]]:
        """The evaluation of a batch on the host. The arguments are those of the other process, and not used."""
        del params, model_state, rng
        return self._evaluate

    def _evaluate(self, batch: Batch) -> Mapping[str, Any]:
        found = self._process.outputs(batch)
        if self._published.definition.evaluation.decoded is not None:
            return found  # read as numbers, and checked by the accumulator
        placed = self._published.place({**batch, **found})
        parts = tuple(placed[f"output_{number}"] for number in range(len(found)))
        given = _GivenOutputs(parts[0] if len(parts) == 1 else parts, self._published.loss_fn)
        return self._step(given, None, None, placed, None)

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """See BoundWorkload."""
        if self._published.definition.evaluation.decoded is not None:
            return dict(outputs)
        return self._published.fetch(outputs)


class _GivenOutputs:
    """What steps of evaluations ask of a workload, where the model's outputs are known already."""

    def __init__(self, outputs: Any, loss_fn: Callable[..., dict[str, Any]]) -> None:
        self._outputs, self.loss_fn = outputs, loss_fn

    def model_fn(self, *args: Any, **kwargs: Any) -> tuple[Any, None]:
        """The outputs, and no model state."""
        del args, kwargs
        return self._outputs, None
