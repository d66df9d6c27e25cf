"""What the comparison with golden files needs from each framework; `jax_side` and `torch_side` implement it."""

from __future__ import annotations

import abc
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.frameworks import load_backend
from algoperf.spec import ParameterType
from algoperf.versions import load_version
from algoperf.workload.definition import Framework, WorkloadDefinition

Arrays = dict[str, np.ndarray]
Listing = list[tuple[str, tuple[int, ...], str]]  # names, shapes, types
GRAPH = "inputs__"  # before the names of a graph's fields


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
        limits = load_version("v0.6").limits(definition.name, definition.scale)
        self.workload = load_backend(self.framework).bind(definition, limits)

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
        found = {name: self.tensor(cast(array, dtype)) for name, array in inputs.items()}
        graph = {name.removeprefix(GRAPH): found.pop(name) for name in list(found) if name.startswith(GRAPH)}
        return {**found, "inputs": GraphsTuple(**graph, globals={})} if graph else found

    @abc.abstractmethod
    def logits(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Logits by mode, without dropout. The pass in training mode updates the state, once."""

    @abc.abstractmethod
    def losses(self, batch: dict[str, Any], logits: Any, *, targets: str, masked: bool, smoothing: float) -> Losses:
        """The loss of logits for the batch's `targets`."""

    @abc.abstractmethod
    def passes(self, batch: dict[str, Any], *, evaluate: bool) -> Passes:
        """Both passes; the workload's own evaluation only if asked for. Updates the state, once."""

    def metrics(self, batch: dict[str, Any], evaluated: dict[str, Any]) -> dict[str, float]:
        """The workload's own evaluation of one batch; sums over examples where metrics are means over them."""
        accumulator = self.workload.definition.evaluation.accumulator(None)
        accumulator.add({name: np.asarray(value) for name, value in evaluated.items()}, batch)
        return accumulator.result(1)


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
