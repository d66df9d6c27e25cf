"""The submission API: the types, enumerations and workload interface that submissions program against.

Names, members, values and signatures are those of the AlgoPerf v0.6 rules; published submissions rely on them.
This module imports neither JAX nor PyTorch.
"""

from __future__ import annotations

import abc
import enum
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = [
    "DataSelectionFn",
    "ForwardPassMode",
    "Hyperparameters",
    "InitOptimizerFn",
    "LossType",
    "ModelAuxiliaryState",
    "ModelInitState",
    "OptimizerState",
    "ParameterContainer",
    "ParameterKey",
    "ParameterShapeTree",
    "ParameterType",
    "ParameterTypeTree",
    "PrepareForEvalFn",
    "RandomState",
    "Shape",
    "ShapeTuple",
    "Steps",
    "Tensor",
    "Timing",
    "TrainingCompleteError",
    "UpdateParamsFn",
    "UpdateReturn",
    "Workload",
]


class LossType(enum.Enum):
    """What a workload minimises."""

    SOFTMAX_CROSS_ENTROPY = 0
    SIGMOID_CROSS_ENTROPY = 1
    MEAN_SQUARED_ERROR = 2
    CTC_LOSS = 3
    MEAN_ABSOLUTE_ERROR = 4


class ForwardPassMode(enum.Enum):
    """Whether a forward pass serves training (dropout, batch statistics) or evaluation."""

    TRAIN = 0
    EVAL = 1


class ParameterType(enum.Enum):
    """The role of one parameter tensor in its model."""

    WEIGHT = 0
    BIAS = 1
    CONV_WEIGHT = 2
    BATCH_NORM_SCALE = 3
    BATCH_NORM_BIAS = 4
    LAYER_NORM_SCALE = 5
    LAYER_NORM_BIAS = 6
    EMBEDDING = 7
    ATTENTION_Q = 8
    ATTENTION_K = 9
    ATTENTION_V = 10
    ATTENTION_OUT = 11
    ATTENTION_QKV = 12
    ATTENTION_KV = 13
    ATTENTION_BIAS = 14


class ShapeTuple:
    """A shape that tree utilities treat as one leaf (they would treat a plain tuple as a subtree)."""

    def __init__(self, shape_tuple: tuple[int, ...]) -> None:
        self.shape_tuple = shape_tuple

    def __repr__(self) -> str:
        return f"ShapeTuple({self.shape_tuple})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeTuple) and self.shape_tuple == other.shape_tuple

    def __hash__(self) -> int:
        return hash(tuple(self.shape_tuple))


class TrainingCompleteError(Exception):
    """Raised by a submission inside `update_params` to end training; one more evaluation follows."""


# Names for what harness and submission exchange. What `Any` stands for depends on the framework (JAX pytrees or
# torch objects) and on the submission.
Tensor = Any
Shape = tuple[int, ...]
ParameterShapeTree = dict[str, Any]
ParameterKey = str
ParameterContainer = Any  # JAX: nested dict of arrays; PyTorch: torch.nn.Module
ParameterTypeTree = dict[str, Any]
RandomState = Any  # JAX: a PRNG key; PyTorch: two int32 words
OptimizerState = Any  # JAX: (pytree, update function); PyTorch: dict of objects
Hyperparameters = Any  # a namedtuple (external tuning) or None (self-tuning)
Timing = int
Steps = int
ModelAuxiliaryState = Any  # such as batch statistics; None if the model has none
ModelInitState = tuple[ParameterContainer, ModelAuxiliaryState]
UpdateReturn = tuple[OptimizerState, ParameterContainer, ModelAuxiliaryState]

InitOptimizerFn = Callable[..., OptimizerState]
UpdateParamsFn = Callable[..., UpdateReturn]
PrepareForEvalFn = Callable[..., UpdateReturn]
DataSelectionFn = Callable[..., dict[str, Tensor]]


class Workload(abc.ABC):
    """One model, dataset, loss and target, as submissions see it.

    Instances are hashable by identity and stable, because submissions pass them as static arguments to
    `jax.jit`. Submissions may use every public member.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self._param_shapes: ParameterShapeTree | None = None
        self._param_types: ParameterTypeTree | None = None
        self._eval_iters: dict[str, Iterator[dict[str, Any]]] = {}
        self.metrics_logger: Any = None

    # --- targets and limits -----------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def target_metric_name(self) -> str:
        """Name of the target metric, without split prefix."""

    @property
    @abc.abstractmethod
    def validation_target_value(self) -> float:
        """Target value of the metric on the validation split."""

    @property
    @abc.abstractmethod
    def test_target_value(self) -> float | None:
        """Target value of the metric on the test split; None if there is no test split."""

    @abc.abstractmethod
    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
        """Whether an evaluation reaches the validation target; a value equal to the target does."""

    @abc.abstractmethod
    def has_reached_test_target(self, eval_result: Mapping[str, float]) -> bool:
        """Whether an evaluation reaches the test target; True if there is none."""

    @property
    @abc.abstractmethod
    def max_allowed_runtime_sec(self) -> float:
        """Submission time allowed in the external tuning ruleset, in seconds."""

    @property
    @abc.abstractmethod
    def eval_period_time_sec(self) -> float:
        """Seconds between the end of one evaluation and the next."""

    @property
    @abc.abstractmethod
    def step_hint(self) -> int:
        """Approximate number of steps of a baseline within the budget; the horizon of schedules."""

    # --- data ---------------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def num_train_examples(self) -> int:
        """Number of examples in the training split."""

    @property
    @abc.abstractmethod
    def num_eval_train_examples(self) -> int:
        """Number of training examples in every evaluation."""

    @property
    @abc.abstractmethod
    def num_validation_examples(self) -> int:
        """Number of examples in the validation split."""

    @property
    @abc.abstractmethod
    def num_test_examples(self) -> int | None:
        """Number of examples in the test split; None if there is none."""

    @property
    @abc.abstractmethod
    def eval_batch_size(self) -> int:
        """Global batch size of evaluations; set by the benchmark, not by the submission."""

    @property
    @abc.abstractmethod
    def train_mean(self) -> Any:
        """Mean subtracted from the inputs, per channel or overall; AttributeError if there is none."""

    @property
    @abc.abstractmethod
    def train_stddev(self) -> Any:
        """Standard deviation that divides the inputs; AttributeError if there is none."""

    @abc.abstractmethod
    def _build_input_queue(
        self,
        data_rng: RandomState,
        split: str,
        data_dir: str,
        global_batch_size: int,
        cache: bool | None = None,
        repeat_final_dataset: bool | None = None,
        num_batches: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Batches of a split as the framework's arrays. Not for submissions."""

    # --- model ----------------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def loss_type(self) -> LossType:
        """Which of the five losses the workload minimises."""

    @abc.abstractmethod
    def is_output_params(self, param_key: ParameterKey) -> bool:
        """Whether the parameter (or top-level group) of that name belongs to the output layer."""

    @abc.abstractmethod
    def init_model_fn(self, rng: RandomState) -> ModelInitState:
        """Freshly initialised parameters and model state (None if the model has none)."""

    @abc.abstractmethod
    def model_fn(
        self,
        params: ParameterContainer,
        augmented_and_preprocessed_input_batch: dict[str, Tensor],
        model_state: ModelAuxiliaryState,
        mode: ForwardPassMode,
        rng: RandomState,
        update_batch_norm: bool,
        dropout_rate: float | None = None,
    ) -> tuple[Tensor, ModelAuxiliaryState]:
        """Logits for a batch and the new model state. `dropout_rate=None` means the workload's default."""

    @abc.abstractmethod
    def loss_fn(
        self,
        label_batch: Tensor,
        logits_batch: Tensor,
        mask_batch: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """Loss of this process's part of a batch.

        Returns `summed` (scalar), `n_valid_examples` (scalar) and `per_example` (one value per row). No
        value is reduced over processes.
        """

    @abc.abstractmethod
    def _eval_model_on_split(
        self,
        split: str,
        num_examples: int,
        global_batch_size: int,
        params: ParameterContainer,
        model_state: ModelAuxiliaryState,
        rng: RandomState,
        data_dir: str,
        global_step: int = 0,
    ) -> dict[str, float]:
        """Metrics of one split by plain name. Not for submissions."""

    @property
    def param_shapes(self) -> ParameterShapeTree:
        """Tree of `ShapeTuple` with the structure of the parameters. ValueError before `init_model_fn`."""
        if self._param_shapes is None:
            raise ValueError("param_shapes is known only after init_model_fn has been called.")
        return self._param_shapes

    @property
    def model_params_types(self) -> ParameterTypeTree:
        """Tree of `ParameterType` with the structure of the parameters. ValueError before `init_model_fn`."""
        if self._param_types is None:
            raise ValueError("model_params_types is known only after init_model_fn has been called.")
        return self._param_types

    def output_activation_fn(self, logits: Tensor, framework: str) -> Tensor:
        """Turn logits into predictions as the loss type implies; softmax acts on the last axis."""
        if self.loss_type in (LossType.SOFTMAX_CROSS_ENTROPY, LossType.CTC_LOSS):
            name = "softmax"
        elif self.loss_type is LossType.SIGMOID_CROSS_ENTROPY:
            name = "sigmoid"
        else:
            name = "identity"
        functions: dict[str, Callable[..., Tensor]]
        if framework == "jax":
            import jax

            functions = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}
        elif framework == "pytorch":
            import torch

            functions = {"softmax": functools.partial(torch.softmax, dim=-1), "sigmoid": torch.sigmoid}
        else:
            raise ValueError(f"Unknown framework {framework!r}. Allowed: jax, pytorch.")
        return functions[name](logits) if name in functions else logits

    def attach_metrics_logger(self, metrics_logger: Any) -> None:
        """Let submissions log through `workload.metrics_logger.append_scalar_metrics(metrics, step)`."""
        self.metrics_logger = metrics_logger

    @abc.abstractmethod
    def eval_model(
        self,
        global_batch_size: int,
        params: ParameterContainer,
        model_state: ModelAuxiliaryState,
        rng: RandomState,
        data_dir: str,
        imagenet_v2_data_dir: str | None,
        global_step: int,
    ) -> dict[str, float]:
        """Metrics of all splits. Not for submissions: a published name, which the harness's workloads refuse."""
