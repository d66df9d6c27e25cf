"""A workload whose gradient is whatever its batch says, for training any baseline on gradients of any kind, in float32.

The loss is the sum of the products of parameters and inputs, so the gradient is the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import random_utils
from algoperf.spec import LossType, ParameterType
from algoperf.submission.loading import Submission, load_submission

NUM_STEPS = 45  # beyond the second roots of Shampoo
SHAPES = {"conv": (3, 3, 4, 5), "embedding": (7, 3), "matrix": (16, 12), "vector": (6,)}
TYPES = {
    "conv": ParameterType.CONV_WEIGHT,
    "embedding": ParameterType.EMBEDDING,
    "matrix": ParameterType.WEIGHT,
    "vector": ParameterType.BIAS,
}
Arrays = dict[str, np.ndarray]


def normal(step: int) -> Arrays:
    """Ordinary gradients, different at each step."""
    rng = np.random.default_rng([7, step])
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}


def times(factor: float) -> Callable[[int], Arrays]:
    """Gradients of another size."""
    return lambda step: {name: grad * np.float32(factor) for name, grad in normal(step).items()}


def _kept(kept: Callable[[np.ndarray], np.ndarray], factor: float = 1.0) -> Callable[[int], Arrays]:
    return lambda step: {name: grad * kept(grad) for name, grad in times(factor)(step).items()}


def _first_only(grad: np.ndarray) -> np.ndarray:
    return (np.arange(grad.size) == 0).reshape(grad.shape)


def _some_channels(grad: np.ndarray) -> np.ndarray:
    return np.arange(grad.shape[-1]) % 3 == 0


def _uneven(grad: np.ndarray) -> np.ndarray:
    return np.geomspace(1e-18, 1e8, grad.shape[-1], dtype=np.float32)


GRADIENTS: dict[str, Callable[[int], Arrays]] = {
    "zero": times(0.0),
    "tiny": times(1e-20),
    "huge": times(1e10),
    "one-hot": _kept(_first_only),
    "one-hot and huge": _kept(_first_only, 1e10),
    "one-hot and tiny": _kept(_first_only, 1e-20),
    "dead channels": _kept(_some_channels),
    "dead channels, small": _kept(_some_channels, 1e-7),
    "channels of all sizes": _kept(_uneven),
    "zero, then normal": lambda step: times(float(step > 25))(step),
    "normal, then zero": lambda step: times(float(step < 25))(step),
    "tiny, then huge": lambda step: times(1e-20 if step < 25 else 1e10)(step),
    "huge, then tiny": lambda step: times(1e10 if step < 25 else 1e-20)(step),
}


class Linear:
    """The workload, without what depends on the framework."""

    step_hint = 70
    metrics_logger = None
    model_params_types = TYPES

    def loss_fn(self, label_batch: Any, logits_batch: Any, mask_batch: Any, label_smoothing: float = 0.0) -> Any:
        del label_batch, label_smoothing
        return {"summed": logits_batch.sum(), "n_valid_examples": mask_batch.sum()}


class Trainer:
    """One baseline with the settings of self-tuning."""

    def __init__(self, folder: Path) -> None:
        framework = folder.name.rpartition("_")[2]
        random_utils.use_framework(framework)
        self._kit = {"jax": _Jax, "pytorch": _Torch}[framework]()
        self._submission = load_submission(folder)

    def train(self, gradient: Callable[[int], Arrays]) -> Arrays:
        """Parameters to evaluate after `NUM_STEPS` steps from ordinary parameters; the vector starts at 0."""
        return _train(self._submission, self._kit, gradient)


def _train(submission: Submission, kit: _Jax | _Torch, gradient: Callable[[int], Arrays]) -> Arrays:
    key, model_state = random_utils.PRNGKey(0), None
    params = kit.params({name: 0.1 * array for name, array in normal(1000).items()} | {"vector": np.zeros(6, "f")})
    state = kit.same_functions(submission.init_optimizer_state(kit.workload, params, None, None, key))
    arguments = {
        "workload": kit.workload, "current_params_types": TYPES, "hyperparameters": None,
        "loss_type": LossType.MEAN_SQUARED_ERROR, "eval_results": [], "rng": key,
    }  # fmt: skip
    for step in range(NUM_STEPS):
        state, params, model_state = submission.update_params(
            current_param_container=params, model_state=model_state, optimizer_state=state,
            batch=kit.batch(gradient(step)), global_step=step, **arguments,
        )  # fmt: skip
    if submission.prepare_for_eval is not None:
        state, params, model_state = submission.prepare_for_eval(
            current_param_container=params, model_state=model_state, optimizer_state=state, global_step=NUM_STEPS,
            **arguments,
        )  # fmt: skip
    return kit.read(params)


class _Jax:
    def __init__(self) -> None:
        from algoperf.jax_sharding_utils import replicate

        class Workload(Linear):
            param_shapes: Any = None

            def model_fn(self, params, batch, model_state, mode, rng, update_batch_norm, dropout_rate=None):
                return sum((params[name] * batch["inputs"][name]).sum() for name in params), model_state

        self.workload, self._place, self._update = Workload(), replicate, None

    def same_functions(self, state: Any) -> Any:
        """The state with the update function of the first one, for which the step is compiled already."""
        self._update = self._update or state[1]
        return state[0], self._update

    def params(self, arrays: Arrays) -> Any:
        return self._place(arrays)

    def batch(self, inputs: Arrays) -> dict[str, Any]:
        return self._place({"inputs": inputs, "targets": np.zeros(1, "f"), "weights": np.ones(1, "f")})

    def read(self, params: Any) -> Arrays:
        return {name: np.array(array) for name, array in params.items()}


class _Torch:
    def __init__(self) -> None:
        import torch

        class Workload(Linear):
            def model_fn(
                self, params, augmented_and_preprocessed_input_batch, model_state, mode, rng, update_batch_norm,
                dropout_rate=None,
            ):  # fmt: skip
                inputs = augmented_and_preprocessed_input_batch["inputs"]
                return sum((params[name] * inputs[name]).sum() for name in inputs), model_state

        self.workload, self._torch = Workload(), torch

    def same_functions(self, state: Any) -> Any:
        return state

    def params(self, arrays: Arrays) -> Any:
        return self._torch.nn.ParameterDict({name: self._torch.from_numpy(array) for name, array in arrays.items()})

    def batch(self, inputs: Arrays) -> dict[str, Any]:
        tensors = {name: self._torch.from_numpy(array) for name, array in inputs.items()}
        return {"inputs": tensors, "targets": self._torch.zeros(1), "weights": self._torch.ones(1)}

    def read(self, params: Any) -> Arrays:
        return {name: array.detach().numpy() for name, array in params.items()}
