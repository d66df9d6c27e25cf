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
GRAPH = "inputs__"  # prefix of the names of a graph's fields


@dataclass(frozen=True)
class Losses:
    """The result of `loss_fn`, as numpy."""

    summed: float
    n_valid_examples: float
    per_example: np.ndarray


@dataclass(frozen=True)
class TrainingPass:
    """A forward and backward pass: logits, mean loss over valid examples, and its gradient by parameter name."""

    logits: Any
    loss: float
    gradient: Arrays


class Side(abc.ABC):
    """A workload of one framework. Parameters and state go in and out as numpy arrays by golden name."""

    framework: Framework

    def __init__(self, definition: WorkloadDefinition) -> None:
        limits = load_version("v0.6").limits(definition.name, definition.scale)
        self.workload = load_backend(self.framework).bind(definition, limits, seed=0)

    @abc.abstractmethod
    def precision(self, dtype: type[np.floating[Any]]) -> AbstractContextManager[Any]:
        """Compute everything inside in `dtype`."""

    @abc.abstractmethod
    def initialise(self) -> None:
        """Make the initial model, from key or seed 0."""

    @abc.abstractmethod
    def load(self, values: Arrays, dtype: type[np.floating[Any]]) -> None:
        """Make a model with these parameters and running statistics, cast to `dtype`; the others are initial."""

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
    def logits(self, batch: dict[str, Any], *, train: bool) -> Any:
        """Logits without dropout. In training mode, running statistics are updated."""

    @abc.abstractmethod
    def losses(self, batch: dict[str, Any], logits: Any, *, targets: str, masked: bool, smoothing: float) -> Losses:
        """The loss of logits for the batch's `targets`."""

    @abc.abstractmethod
    def evaluation_outputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The outputs of the workload's device function of evaluation for one batch."""

    def evaluate(self, batch: dict[str, Any]) -> dict[str, float]:
        """The workload's own evaluation of one batch; gives sums over examples for metrics that are means over them."""
        accumulator = self.workload.definition.evaluation.accumulator()
        outputs = self.evaluation_outputs(batch)
        accumulator.add({name: np.asarray(value) for name, value in outputs.items()}, batch)
        return accumulator.result(1)

    @abc.abstractmethod
    def training_pass(self, batch: dict[str, Any]) -> TrainingPass:
        """A pass with mask and without dropout. It updates the state once."""


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
