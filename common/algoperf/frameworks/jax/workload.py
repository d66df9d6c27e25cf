"""The JAX binding: the `spec.Workload` that JAX submissions see."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf import spec
from algoperf.data.contracts import Batch, Padded
from algoperf.errors import unknown
from algoperf.frameworks.jax import sharding
from algoperf.frameworks.jax.losses import LOSSES
from algoperf.frameworks.steps import STEPS
from algoperf.versions import Limits
from algoperf.workload import registry
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.param_types import jax_param_types

# Initialising runs once: optimising the program would take several times as long as it saves.
_RUNS_ONCE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class JaxWorkload(BoundWorkload):
    """A workload whose model is the flax module from the cube's `model_jax.build(definition)`, or a submission's.

    The module gets the model inputs of a batch (`batch["inputs"]`, or the result of the cube's `model_inputs(batch)`)
    and those of the keywords `train`, `update_batch_norm`, `use_running_average` and `dropout_rate` that it accepts.
    Variables outside `params` are the model state.
    """

    framework: Framework = "jax"

    def __init__(self, definition: WorkloadDefinition, limits: Limits) -> None:
        super().__init__(definition, limits)
        model = registry.model_code(definition, "jax")
        self._module: nn.Module = model.build(definition)
        self._output_params = model.output_params(definition)
        self._model_inputs: Callable[[Batch], tuple[Any, ...]] = getattr(
            model, "model_inputs", lambda batch: (batch["inputs"],)
        )
        self._accepted = set(inspect.signature(type(self._module).__call__).parameters)
        keywords = self._keywords(train=False, update_batch_norm=False, use_running_average=True, dropout_rate=None)
        self._init = functools.partial(self._module.init, **keywords)
        self._compiled_init = jax.jit(self._init, compiler_options=_RUNS_ONCE)
        self._loss = LOSSES[definition.computed_loss]
        if definition.evaluation.step not in STEPS:
            raise unknown("evaluation step", definition.evaluation.step, STEPS)
        self._step = STEPS[definition.evaluation.step]
        self._more: Callable[..., dict[str, Any]] | None = getattr(model, "evaluate", None)
        self._evaluate = jax.jit(self._outputs)

    def _outputs(self, params: Any, model_state: Any, batch: Batch, rng: spec.RandomState) -> dict[str, Any]:
        outputs = self._stepped(params, model_state, batch, rng)
        if self._more is not None:
            outputs |= self._more(self._module, params, model_state, batch, rng)
        return outputs

    def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
        """Parameters, replicated over the devices, and the other variables (None if there are none)."""
        example = self.definition.example_batch()
        parts = _parts(example)
        inputs = self._model_inputs({name: _widened(value, example[name]) for name, value in parts.items()})
        # Submissions call this inside jit and eval_shape too, where options of a compiler are not allowed.
        init = self._init if isinstance(rng, jax.core.Tracer) else self._compiled_init
        variables = dict(init({"params": rng}, *inputs))
        params = sharding.replicate(variables.pop("params"))
        self._param_shapes = jax.tree.map(lambda leaf: spec.ShapeTuple(leaf.shape), params)
        self._param_types = jax_param_types(params, is_submitted=self.definition.model_source is not None)
        return params, sharding.replicate(variables) or None

    def model_fn(
        self,
        params: spec.ParameterContainer,
        augmented_and_preprocessed_input_batch: dict[str, spec.Tensor],
        model_state: spec.ModelAuxiliaryState,
        mode: spec.ForwardPassMode,
        rng: spec.RandomState,
        update_batch_norm: bool,
        dropout_rate: float | None = None,
        use_running_average_bn: bool | None = None,
    ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
        """Logits and model state. In training mode without `update_batch_norm`, running statistics are used.

        `use_running_average_bn` overrides which statistics normalise; it never updates them.
        """
        train = mode is spec.ForwardPassMode.TRAIN
        given = use_running_average_bn is not None
        use_running_average = use_running_average_bn if given else not (train and update_batch_norm)
        apply = functools.partial(
            self._module.apply,
            {"params": params, **(model_state or {})},
            *self._model_inputs(augmented_and_preprocessed_input_batch),
            rngs=None if rng is None else {"dropout": rng},
            **self._keywords(
                train=train,
                update_batch_norm=update_batch_norm,
                use_running_average=use_running_average,
                dropout_rate=dropout_rate,
            ),
        )
        if not model_state or (use_running_average and not train):
            return apply(), model_state
        # flax cannot use batch statistics without updating the running ones.
        logits, new_state = apply(mutable=list(model_state))
        moves = train and (update_batch_norm or not given)
        return logits, dict(new_state) if moves else model_state

    def _keywords(self, dropout_rate: float | None, **given: Any) -> dict[str, Any]:
        given["dropout_rate"] = self.definition.dropout if dropout_rate is None else dropout_rate
        return {name: value for name, value in given.items() if name in self._accepted}

    def _constant(self, value: float, like: spec.Tensor) -> spec.Tensor:
        del like  # under jit, XLA decides
        return jnp.asarray(value, jnp.float32)

    def place(self, batch: Batch) -> Batch:
        """Split leading axes over the devices; padded rows as values and paddings."""
        placed: Batch = sharding.shard_along_batch_dim(_parts(batch))
        return {name: _widened(value, batch[name]) for name, value in placed.items()}

    place_training = place

    def evaluation_step(
        self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState, rng: spec.RandomState
    ) -> Callable[[Batch], Mapping[str, Any]]:
        """The jitted device function of the evaluation."""
        return lambda batch: self._evaluate(params, model_state, batch, rng)

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """See BoundWorkload."""
        return {name: np.asarray(value) for name, value in outputs.items()}


def _parts(batch: Batch) -> Batch:
    """The batch with the arrays of padded rows as pairs."""
    return {
        name: (value.values, value.lengths) if isinstance(value, Padded) else value for name, value in batch.items()
    }


def _widened(placed: Any, host: Any) -> Any:
    """Padded rows on the device as values and paddings; anything else as it is."""
    if not isinstance(host, Padded):
        return placed
    return _values_and_paddings(*placed, dtype=np.dtype(host.dtype or host.values.dtype))


@functools.partial(jax.jit, static_argnames="dtype")
def _values_and_paddings(values: jax.Array, lengths: jax.Array, dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    paddings = jnp.arange(values.shape[1]) >= lengths[:, None]
    return values.astype(dtype), paddings.astype(jnp.float32)
