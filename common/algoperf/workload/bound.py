"""What both framework bindings share: a `spec.Workload` made from a definition and a version's limits."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from algoperf import spec
from algoperf.data.contracts import Batch
from algoperf.versions import Limits
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.loss import Loss
from algoperf.workload.outputs import require_outputs


class BoundWorkload(spec.Workload):
    """A workload definition bound to a framework. The bindings add model, loss and placement."""

    framework: Framework
    _loss: Loss
    _step: Callable[..., dict[str, Any]]
    _output_params: Container[str]

    def __init__(self, definition: WorkloadDefinition, limits: Limits) -> None:
        super().__init__()
        self.definition = definition
        self.limits = limits
        vars(self).update(definition.properties)

    # --- what the framework adds ------------------------------------------------------------------------

    @abc.abstractmethod
    def place(self, batch: Batch) -> Batch:
        """A numpy batch as the framework's arrays on this process's devices."""

    @abc.abstractmethod
    def place_training(self, batch: Batch) -> Batch:
        """The same for a training batch, as submissions get it."""

    @abc.abstractmethod
    def evaluation_step(
        self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState, rng: spec.RandomState
    ) -> Callable[[Batch], Mapping[str, Any]]:
        """The device function of the workload's evaluation, for placed batches."""

    @abc.abstractmethod
    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs of the evaluation step as numpy arrays; waits for the device."""

    @abc.abstractmethod
    def _constant(self, value: float, like: Any) -> Any:
        """A scalar on the device of the tensor `like`."""

    # --- the loss -----------------------------------------------------------------------------------------

    def loss_fn(
        self,
        label_batch: spec.Tensor,
        logits_batch: spec.Tensor,
        mask_batch: spec.Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, spec.Tensor]:
        if self.definition.model_source is not None:
            require_outputs(self.definition, label_batch, logits_batch)
        losses = self._loss.per_example(label_batch, logits_batch, label_smoothing)
        return self._loss.summarise(label_batch, losses, mask_batch, self._constant)

    def _stepped(self, params: Any, model_state: Any, batch: Batch, rng: spec.RandomState) -> dict[str, Any]:
        """The sums of the evaluation's device function. SubmissionError if a submitted model's outputs do not fit."""
        try:
            return self._step(self, params, model_state, batch, rng)
        except Exception:
            if self.definition.model_source is not None and "targets" in batch:
                mode = spec.ForwardPassMode.EVAL
                found, _ = self.model_fn(params, batch, model_state, mode, rng, update_batch_norm=False)
                require_outputs(self.definition, batch["targets"], found)
            raise

    # --- what only the harness does -----------------------------------------------------------------------

    def _build_input_queue(self, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        self._refuse()

    def _eval_model_on_split(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self._refuse()

    def eval_model(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        """Published names of what the workload does not do here: the trial has the data and evaluates."""
        raise PermissionError(
            "A submission must not ask the workload for data or evaluations: batches come from the input queue, "
            "evaluations from `eval_results`."
        )

    # --- what the definition and the limits say -----------------------------------------------------------

    @property
    def target_metric_name(self) -> str:
        return self.limits.metric

    @property
    def validation_target_value(self) -> float:
        return self.limits.validation_target

    @property
    def test_target_value(self) -> float | None:
        return self.limits.test_target

    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
        return self.limits.reached(eval_result[f"validation/{self.limits.metric}"])

    def has_reached_test_target(self, eval_result: Mapping[str, float]) -> bool:
        if self.num_test_examples is None:
            return True
        return self.limits.test_reached(eval_result[f"test/{self.limits.metric}"])

    @property
    def max_allowed_runtime_sec(self) -> float:
        return self.limits.max_runtime_sec

    @property
    def eval_period_time_sec(self) -> float:
        return self.limits.eval_period_sec

    @property
    def step_hint(self) -> int:
        return self.limits.step_hint

    @property
    def loss_type(self) -> spec.LossType:
        return self.definition.loss_type

    @property
    def num_train_examples(self) -> int:
        return self.definition.examples.train

    @property
    def num_eval_train_examples(self) -> int:
        return self.definition.examples.eval_train

    @property
    def num_validation_examples(self) -> int:
        return self.definition.examples.validation

    @property
    def num_test_examples(self) -> int | None:
        return self.definition.examples.test

    @property
    def eval_batch_size(self) -> int:
        return self.definition.eval_batch_size

    @property
    def train_mean(self) -> Any:
        return self._input_stats[0]

    @property
    def train_stddev(self) -> Any:
        return self._input_stats[1]

    @property
    def _input_stats(self) -> tuple[Any, Any]:
        if self.definition.input_stats is None:
            raise AttributeError(f"The inputs of {self.definition.name} are not normalised.")
        return self.definition.input_stats

    def is_output_params(self, param_key: spec.ParameterKey) -> bool:
        return param_key in self._output_params


def num_parameters(workload: spec.Workload) -> int:
    """Numbers in the parameters of a workload's model, which has been initialised."""
    return sum(math.prod(shape.shape_tuple) for shape in _leaves(workload.param_shapes))


def _leaves(tree: Any) -> Iterator[spec.ShapeTuple]:
    if isinstance(tree, Mapping):
        for part in tree.values():
            yield from _leaves(part)
    else:
        yield tree
