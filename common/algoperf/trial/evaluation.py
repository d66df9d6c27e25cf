"""Evaluates a model on all splits. The loop and re-evaluation do it alike; submissions never hold an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from algoperf import spec
from algoperf.data.contracts import Batch, Split
from algoperf.errors import AlgoperfError
from algoperf.frameworks.backend import Backend
from algoperf.trial.data import TrialData

SPLITS: dict[str, Split] = {"train": "eval_train", "validation": "validation", "test": "test"}
"""What metrics are called -> the split that they are about."""


class EvaluatedWorkload(Protocol):
    """What is asked of a workload; a `BoundWorkload` has it."""

    @property
    def eval_batch_size(self) -> int:
        """See BoundWorkload."""
        ...

    def place(self, batch: Batch) -> Batch:
        """See BoundWorkload."""
        ...

    def evaluation_step(
        self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState, rng: spec.RandomState
    ) -> Callable[[Batch], Mapping[str, Any]]:
        """See BoundWorkload."""
        ...

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """See BoundWorkload."""
        ...


@dataclass(frozen=True)
class Evaluator:
    """Evaluates models of one workload.

    Attributes:
      workload: has model, loss and placement.
      data: where the examples come from.
      backend: gathers the results of all processes.
      batch_size: global batch size; None for the benchmark's. Devices may get fewer rows at a time.
    """

    workload: EvaluatedWorkload
    data: TrialData
    backend: Backend
    batch_size: int | None = None

    def metrics(
        self,
        params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        key: spec.RandomState,
        global_step: int,
    ) -> dict[str, float]:
        """Metrics of all splits: `train/<m>`, `validation/<m>`, `test/<m>`, and the example counts of the last two.

        `test` is left out where there is no such split. All processes call this together.
        """
        step = self.workload.evaluation_step(params, model_state, key)
        results: dict[str, float] = {}
        for label, split in SPLITS.items():
            num_examples = self.data.definition.num_examples(split)
            if num_examples is None:
                continue
            found = self._on_split(step, split, num_examples, global_step)
            results.update({f"{label}/{name}": value for name, value in found.items()})
            if split != "eval_train":
                results[f"{label}/num_examples"] = num_examples
        return results

    def _on_split(
        self, step: Callable[[Batch], Mapping[str, Any]], split: Split, num_examples: int, global_step: int
    ) -> dict[str, float]:
        accumulator = self.data.definition.evaluation.accumulator(self.data.dataset)
        counted = 0
        batches = self.data.evaluation(split, self._rows_at_a_time(), global_step)
        for batch, outputs in self._outputs(step, batches):
            accumulator.add(self.workload.fetch(outputs), batch)
            counted += int(batch["real"].sum())
        (accumulator, counted), *others = self.backend.gather((accumulator, counted))
        for other, other_counted in others:
            accumulator.merge(other)
            counted += other_counted
        if counted != num_examples:
            raise AlgoperfError(f"The {split} split was evaluated on {counted} examples instead of {num_examples}.")
        return accumulator.result(num_examples)

    def _rows_at_a_time(self) -> int:
        """The batch size, or as much of it as devices can hold."""
        batch_size, most = self.batch_size or self.workload.eval_batch_size, self.data.definition.eval_rows_per_device
        return batch_size if most is None else min(batch_size, most * self.data.shard.num_parts)

    def _outputs(
        self, step: Callable[[Batch], Mapping[str, Any]], batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, Mapping[str, Any]]]:
        """Batches with their outputs on the device. The next batch is dispatched before these outputs are read."""
        pending = None
        for batch in batches:
            dispatched = batch, step(self.workload.place(batch))
            if pending is not None:
                yield pending
            pending = dispatched
        if pending is not None:
            yield pending
