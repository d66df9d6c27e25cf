"""A workload as data: dataset, model, loss and metric, and how its variants differ.

What submissions see of it, a `spec.Workload`, is made by the bindings in `frameworks/`. Targets, budgets,
evaluation periods and step hints belong to a benchmark version and live in `versions/`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from algoperf.data.contracts import Batch, Dataset, Split
from algoperf.errors import unknown
from algoperf.metrics.base import Evaluation
from algoperf.spec import LossType
from algoperf.versions import Scale
from algoperf.workload.loss import BY_TYPE, LossName

Framework = Literal["jax", "pytorch"]
FRAMEWORKS: tuple[Framework, ...] = ("jax", "pytorch")
_MERGED = {"model", "properties"}
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Examples:
    """How many examples the splits have; `eval_train` is what an evaluation draws from the training split.

    `test` is None where there is no test split.
    """

    train: int
    eval_train: int
    validation: int
    test: int | None = None


class ModelSource(Protocol):
    """Code that builds a workload's model in place of the cube's: a model submission."""

    def in_place_of(self, published: Any, definition: WorkloadDefinition, framework: Framework) -> Any:
        """What the binding of a framework uses instead of the cube's model module, `published`."""
        ...


@dataclass(frozen=True, kw_only=True)
class WorkloadDefinition:
    """The definition of one workload.

    Attributes:
      name: as in run folders and version files; the cube's folder has the name of the base workload.
      dataset: where the data comes from; several workloads may share one.
      loss_type: which loss submissions are told it is, as published.
      loss: the loss function that computes it; the one that `loss_type` names if None.
      evaluation: device function and accumulator of the metrics.
      examples: how many examples the splits have.
      eval_batch_size: global batch size of evaluations.
      eval_rows_per_device: most rows that a device evaluates at a time, where those of `eval_batch_size` would not fit
        into its memory; sums over a split do not depend on it.
      largest_batch: global batch sizes of submissions are cut to this; for scale mini, where the training split may be
        smaller than the batches of the full workload.
      model: settings that the model builders in `model_jax.py` and `model_torch.py` read.
      dropout: default dropout rate; None where the model takes no dropout rate.
      properties: further attributes of the bound workload; published submissions and meta data know them.
      variants: name -> fields that differ. Mappings given for `model` and `properties` are merged, anything else is
        replaced.
      mini: fields that differ at scale `mini`, in the same form.
      folder: the cube's folder; filled in by the registry.
      model_source: what builds the model instead of the cube; None for the published model.
    """

    name: str
    dataset: Dataset
    loss_type: LossType
    evaluation: Evaluation
    examples: Examples
    eval_batch_size: int
    eval_rows_per_device: int | None = None
    largest_batch: int | None = None
    model: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    loss: LossName | None = None
    dropout: float | None = None
    properties: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING)
    mini: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    scale: Scale = "full"
    folder: Path = Path()
    model_source: ModelSource | None = None

    def with_fields(self, changes: Mapping[str, Any]) -> WorkloadDefinition:
        """The same workload with fields replaced; `model` settings and `properties` are merged."""
        merged = dict(changes)
        for name in changes.keys() & _MERGED:
            merged[name] = MappingProxyType({**getattr(self, name), **changes[name]})
        return dataclasses.replace(self, **merged)

    @property
    def computed_loss(self) -> LossName:
        """The loss function that is applied."""
        return self.loss or BY_TYPE[self.loss_type]

    @property
    def input_stats(self) -> tuple[Any, Any] | None:
        """`(mean, standard deviation)` that inputs are normalised with, if they are."""
        return self.dataset.input_stats

    @property
    def num_classes(self) -> int:
        """Classes that targets name, the number of logits. Raises AttributeError if targets are no classes."""
        if self.dataset.num_classes is None:
            raise AttributeError(f"the targets of {self.name} are no classes")
        return self.dataset.num_classes

    def example_batch(self) -> Batch:
        """A batch of one example, made without any data, for shapes and types."""
        return self.dataset.example_batch()

    def variant(self, name: str) -> WorkloadDefinition:
        """The base workload or one of its variants, by name."""
        if name == self.name:
            return self
        if name not in self.variants:
            raise unknown("variant", name, [self.name, *self.variants])
        return self.with_fields({**self.variants[name], "name": name})

    def at(self, scale: Scale) -> WorkloadDefinition:
        """The workload at a scale: `full`, or `mini` for small models on generated data."""
        return self if scale == "full" else self.with_fields({**self.mini, "scale": "mini"})

    def with_model(self, source: ModelSource) -> WorkloadDefinition:
        """The same data, metric and loss with a submitted model; settings of the published one are gone."""
        evaluation = self.evaluation.of_submitted
        return dataclasses.replace(self, model_source=source, model=NOTHING, dropout=None, evaluation=evaluation)

    def num_examples(self, split: Split) -> int | None:
        """Examples that one evaluation counts on a split (on `train`: the whole split)."""
        found: int | None = getattr(self.examples, split)
        return found
