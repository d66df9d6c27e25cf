"""What the comparison with golden files needs from each framework; `jax_side` and `torch_side` implement it."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.data.contracts import Padded
from algoperf.frameworks import load_backend
from algoperf.spec import ParameterType
from algoperf.versions import load_version
from algoperf.workload.definition import Framework, WorkloadDefinition

Arrays = dict[str, np.ndarray]
Listing = list[tuple[str, tuple[int, ...], str]]  # names, shapes, types
GRAPH = "inputs__"  # before the names of a graph's fields
PADDED = {"inputs": "input_paddings", "targets": "target_paddings"}  # pairs of values and paddings


@dataclass(frozen=True)
class Losses:
    """The result of `loss_fn`, as numpy."""

    summed: float
    n_valid_examples: float
    per_example: np.ndarray


@dataclass(frozen=True)
class Passes:
    """A pass in evaluation mode, and one in training mode with mask and without dropout.

    Logits by mode, what the device function of the workload's evaluation returns, the mean loss of the training pass
    over valid examples, and its gradient by parameter name.
    """

    logits: dict[str, Any]
    evaluated: dict[str, Any]
    loss: float
    gradient: Arrays


class Side(abc.ABC):
    """A workload of one framework. Parameters and state go in and out as numpy arrays by golden name."""

    framework: Framework

    def __init__(self, definition: WorkloadDefinition) -> None:
        version = load_version("v1.0" if definition.name == "finewebedu_lm" else "v0.6")
        limits = version.limits(definition.name, definition.scale)
        if "use_specaug" in definition.model:  # the golden passes are without
            definition = definition.with_fields({"model": {"use_specaug": False}})
        self.workload = load_backend(self.framework).bind(definition, limits)
        self.workload._more = None  # decoded sentences have golden files of their own

    @abc.abstractmethod
    def precision(self, dtype: type[np.floating[Any]]) -> AbstractContextManager[Any]:
        """Compute everything inside in `dtype`."""

    @abc.abstractmethod
    def describe(self) -> None:
        """Make the structure of the initial model; values may be missing."""

    @abc.abstractmethod
    def initialise(self) -> None:
        """Make the initial model, from key or seed 0."""

    @abc.abstractmethod
    def load(self, values: Arrays, dtype: type[np.floating[Any]]) -> None:
        """Make a model with these parameters and running statistics, cast to `dtype`; the others are initial."""

    @abc.abstractmethod
    def listing(self) -> tuple[Listing, Listing]:
        """Parameters, and model state or buffers, in tree order."""

    @abc.abstractmethod
    def parameters(self) -> Arrays:
        """Parameters in tree order."""

    @abc.abstractmethod
    def state(self) -> Arrays:
        """Model state or buffers in tree order."""

    @abc.abstractmethod
    def types(self) -> dict[str, ParameterType]:
        """`workload.model_params_types` by name, in its order."""

    @abc.abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """`workload.param_shapes` by name, in its order."""

    @abc.abstractmethod
    def output_candidates(self) -> list[str]:
        """Names to pass to `is_output_params`."""

    @abc.abstractmethod
    def tensor(self, array: np.ndarray) -> Any:
        """Convert an array to the framework's; integers get the framework's width."""

    def batch(self, inputs: Arrays, dtype: type[np.floating[Any]]) -> dict[str, Any]:
        """Convert a golden input file to the framework's batch, with floating point inputs in `dtype`."""
        if PADDED["inputs"] in inputs:
            inputs = {name: array.astype(dtype) for name, array in inputs.items()}
        found = {name: self.tensor(cast(array, dtype)) for name, array in inputs.items()}
        pairs = {name: (found[name], found.pop(other)) for name, other in PADDED.items() if other in found}
        if pairs:
            return {**found, **pairs}
        graph = {name.removeprefix(GRAPH): found.pop(name) for name in list(found) if name.startswith(GRAPH)}
        return {**found, "inputs": GraphsTuple(**graph, globals={})} if graph else found

    @abc.abstractmethod
    def logits(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Logits by mode, without dropout. The pass in training mode updates the state, once."""

    @abc.abstractmethod
    def losses(self, batch: dict[str, Any], logits: Any, *, targets: str, masked: bool, smoothing: float) -> Losses:
        """The loss of logits for the batch's `targets`."""

    @abc.abstractmethod
    def translations(self, inputs: Any, length: int) -> np.ndarray:
        """The best translations (B, length - 1) of sentences (B, S), where the model translates."""

    @abc.abstractmethod
    def passes(self, batch: dict[str, Any], *, evaluate: bool, masked: bool) -> Passes:
        """Both passes; the one in evaluation mode is the workload's own if asked for. Updates the state, once."""

    @contextmanager
    def recorded(self) -> Iterator[list[Any]]:
        """The logits that the workload computes meanwhile."""
        found, model_fn = [], self.workload.model_fn

        def recording(*args: Any, **keywords: Any) -> tuple[Any, Any]:
            logits, state = model_fn(*args, **keywords)
            found.append(logits)
            return logits, state

        with mock.patch.object(self.workload, "model_fn", recording):
            yield found

    def evaluated(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch that the workload's own evaluation gets: of pairs, all rows count."""
        return {**batch, "weights": self.tensor(np.ones_like(batch["weights"]))} if is_paired(batch) else batch

    def metrics(self, batch: dict[str, Any], evaluated: dict[str, Any]) -> dict[str, float]:
        """The workload's own evaluation of one batch; sums over examples where metrics are means over them."""
        accumulator = self.workload.definition.evaluation.accumulator(_Digits())
        outputs, on_host = {name: np.asarray(value) for name, value in evaluated.items()}, as_on_host(batch)
        if translates(self):
            on_host = {**{name: np.asarray(value) for name, value in batch.items()}, "real": np.array([])}
        accumulator.add(outputs, on_host)
        return accumulator.result(1)


class _Digits:
    """A dataset whose tokens are their numbers."""

    @property
    def tokenizer(self) -> _Digits:
        return self

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


def is_paired(batch: dict[str, Any]) -> bool:
    """Whether inputs and targets are pairs of values and paddings."""
    return type(batch["targets"]) is tuple


def translates(side: Side) -> bool:
    """Whether the workload's evaluation writes sentences, and the rows of batches have padding."""
    return "num_beams" in side.workload.definition.model


def as_on_host(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch as the harness has it before it is placed: pairs as values and lengths, and which rows are real."""
    if not is_paired(batch):
        return batch
    pairs = {name: map(np.asarray, batch[name]) for name in PADDED}
    padded = {name: Padded(values, (1 - behind).sum(axis=1).astype(int)) for name, (values, behind) in pairs.items()}
    return {**padded, "real": np.ones(len(batch["weights"]), bool)}


def cast(array: np.ndarray, dtype: type[np.floating[Any]]) -> np.ndarray:
    """Cast floating point arrays to `dtype`: golden inputs are stored in half precision if that is exact."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def open_side(framework: str, definition: WorkloadDefinition) -> Side:
    """Open a workload in a framework, importing the framework."""
    if framework == "jax":
        from jax_side import JaxSide

        return JaxSide(definition)
    from torch_side import TorchSide

    return TorchSide(definition)
