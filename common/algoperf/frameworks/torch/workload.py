"""The PyTorch binding: the `spec.Workload` that PyTorch submissions see."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from algoperf import seeds, spec
from algoperf.data.contracts import Batch, Padded
from algoperf.errors import unknown
from algoperf.frameworks.steps import STEPS
from algoperf.frameworks.torch.batch_norm import KINDS, update_batch_norm_fn
from algoperf.frameworks.torch.losses import LOSSES
from algoperf.frameworks.torch.processes import pytorch_setup
from algoperf.system import give_back_large_memory
from algoperf.versions import Limits
from algoperf.workload import registry
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.param_types import torch_param_type

_HUGE_BYTES = 2**28  # of one parameter on a CPU: its gradient and other temporary tensors need as much


def bare_model(model: torch.nn.Module) -> torch.nn.Module:
    """The module inside the wrappers of `torch.compile` and DistributedDataParallel."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, DistributedDataParallel):
            inner = model.module
        if inner is None:
            return model
        model = inner


class TorchWorkload(BoundWorkload):
    """A workload whose model is the module from the cube's `model_torch.build(definition)`, or a submission's.

    The module gets the model inputs of a batch (`batch["inputs"]`, or the result of the cube's `model_inputs(batch)`),
    and those of `dropout_rate` and `rng` (the key given to `model_fn`, or None) that its `forward` accepts. Two more
    things may stand in `model_torch`: `COMPILE`, what `torch.compile` is applied to on GPUs, as published (of {"model",
    "loss"}); and `train_weights(definition)`, whether training batches carry a boolean mask, as some published ones do.
    """

    framework: Framework = "pytorch"

    def __init__(self, definition: WorkloadDefinition, limits: Limits) -> None:
        super().__init__(definition, limits)
        self._use_ddp, self._rank, self.device, _ = pytorch_setup()
        self._model_code = registry.model_code(definition, "pytorch")
        self._model_inputs: Callable[[Batch], tuple[Any, ...]] = getattr(
            self._model_code, "model_inputs", lambda batch: (batch["inputs"],)
        )
        self._loss = LOSSES[definition.computed_loss]
        if definition.evaluation.step not in STEPS:
            raise unknown("evaluation step", definition.evaluation.step, STEPS)
        self._step = STEPS[definition.evaluation.step]
        self._more: Callable[..., dict[str, Any]] | None = getattr(self._model_code, "evaluate", None)
        self._output_params = self._model_code.output_params(definition)
        self._has_train_weights: bool = getattr(self._model_code, "train_weights", lambda _: False)(definition)
        self.compiled_parts: frozenset[str] = getattr(self._model_code, "COMPILE", frozenset())
        self._accepted: frozenset[str] = frozenset()
        self._has_batch_norm = False

    def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
        """A new module, seeded by the first word of `rng`, on this process's device; model state is None."""
        seed = int(rng[0])
        torch.manual_seed(seed)
        model: torch.nn.Module = self._model_code.build(self.definition)
        self._param_shapes = {name: spec.ShapeTuple(param.shape) for name, param in model.named_parameters()}
        is_submitted = self.definition.model_source is not None
        self._param_types = {name: torch_param_type(name, is_submitted=is_submitted) for name in self._param_shapes}
        self._accepted = frozenset(inspect.signature(model.forward).parameters)
        self._has_batch_norm = any(isinstance(module, KINDS) for module in model.modules())
        if self.device.type == "cpu" and any(param.nbytes >= _HUGE_BYTES for param in model.parameters()):
            give_back_large_memory()
        model.to(self.device)
        if self._use_ddp:
            ids = [self._rank] if self.device.type == "cuda" else None
            model = DistributedDataParallel(model, device_ids=ids)
        torch.manual_seed(seeds.derive(seed, self._rank))  # dropout masks must differ between processes
        return model, None

    def model_fn(
        self,
        params: spec.ParameterContainer,
        augmented_and_preprocessed_input_batch: dict[str, spec.Tensor],
        model_state: spec.ModelAuxiliaryState,
        mode: spec.ForwardPassMode,
        rng: spec.RandomState,
        update_batch_norm: bool,
        dropout_rate: float | None = None,
    ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
        """Logits and None. In training mode, batch statistics normalise, whether or not they are updated."""
        del model_state
        train = mode is spec.ForwardPassMode.TRAIN
        params.train(train)
        if train and self._has_batch_norm:
            params.apply(functools.partial(update_batch_norm_fn, update_batch_norm=update_batch_norm))
        given = {"dropout_rate": self.definition.dropout if dropout_rate is None else dropout_rate, "rng": rng}
        keywords = {name: value for name, value in given.items() if name in self._accepted}
        with torch.set_grad_enabled(train):
            return params(*self._model_inputs(augmented_and_preprocessed_input_batch), **keywords), None

    def _constant(self, value: float, like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(value, device=like.device)

    def place(self, batch: Batch) -> Batch:
        """Move tensors to the device; integers as int64, NHWC images as NCHW views."""
        placed: Batch = self._tensor(batch)
        if getattr(placed["inputs"], "ndim", 0) == 4:
            placed["inputs"] = placed["inputs"].permute(0, 3, 1, 2)
        return placed

    def place_training(self, batch: Batch) -> Batch:
        """Like `place`, with a boolean mask where published batches have one."""
        placed = self.place(batch)
        if not self._has_train_weights:
            return placed
        if "weights" in placed:
            placed["weights"] = placed["weights"].bool()
        else:
            placed["weights"] = torch.ones(len(placed["targets"]), dtype=torch.bool, device=self.device)
        return placed

    def _tensor(self, value: Any) -> Any:
        if isinstance(value, Padded):
            return self._padded(value)
        if isinstance(value, tuple):
            parts = [self._tensor(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, dict):
            return {name: self._tensor(part) for name, part in value.items()}
        return self._moved(value.astype(np.int64) if value.dtype == np.int32 else value)

    def _moved(self, array: np.ndarray) -> torch.Tensor:
        """The array on the device, in its own type."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def _padded(self, value: Padded) -> tuple[torch.Tensor, torch.Tensor]:
        """Values, widened on the device, and paddings, made there."""
        values, lengths = self._moved(value.values), self._moved(value.lengths)
        wide = self._tensor(np.zeros(0, value.dtype or value.values.dtype)).dtype
        paddings = torch.arange(values.shape[1], device=self.device) >= lengths[:, None]
        return values.to(wide), paddings.float()

    def evaluation_step(
        self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState, rng: spec.RandomState
    ) -> Callable[[Batch], Mapping[str, Any]]:
        """The device function of the evaluation."""

        def outputs(batch: Batch) -> dict[str, Any]:
            found = self._stepped(params, model_state, batch, rng)
            if self._more is not None:
                with torch.no_grad():  # the step has set the model to evaluation mode
                    found |= self._more(bare_model(params), params, model_state, batch, rng)
            return found

        return outputs

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """See BoundWorkload."""
        return {name: value.cpu().numpy() for name, value in outputs.items()}

    def compile_loss(self) -> None:
        """Compile the loss function. The backend decides whether to."""
        self._loss = dataclasses.replace(self._loss, per_example=torch.compile(self._loss.per_example))
