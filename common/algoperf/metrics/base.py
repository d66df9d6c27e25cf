"""How a workload is evaluated: a device function per batch, and an accumulator on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from algoperf.data.contracts import Batch, OpenDataset


class Accumulator(Protocol):
    """Collects what the device returns and turns it into metrics.

    Examples: sums for classification, decoded sentences for translation, edit counts for speech. With several
    processes, accumulators are pickled, gathered and merged in rank order.
    """

    def add(self, outputs: Mapping[str, np.ndarray], batch: Batch) -> None:
        """Add the outputs of one batch; rows with weight 0 are padding."""
        ...

    def merge(self, other: Any) -> None:
        """Add what another process has accumulated."""
        ...

    def result(self, num_examples: int) -> dict[str, float]:
        """The metrics over `num_examples` examples, by plain name."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """How a workload is evaluated.

    Attributes:
      step: name of the device function that is applied to each batch, one of `frameworks/steps.py`. What `evaluate` in
        the cube's model module returns is added to its outputs.
      accumulator: makes an empty accumulator for one split from the opened dataset, where metrics of texts find their
        tokenizer.
      end_id: the token that ends a sentence, where models decode sentences.
      decoded: how a submitted model is evaluated that decodes, from the inputs alone; None if models do not decode, or
        only the published one can.
    """

    step: str
    accumulator: Callable[[OpenDataset], Accumulator]
    end_id: int | None = None
    decoded: Evaluation | None = None

    @property
    def of_submitted(self) -> Evaluation:
        """How a submitted model is evaluated."""
        return self.decoded or self
