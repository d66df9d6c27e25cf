from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from algoperf.spec import ForwardPassMode, ShapeTuple
from algoperf.workload import registry
from side import Losses, Passes, Side


def _names(tree) -> dict:
    """The leaves of nested dicts by their joined keys, in tree order."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(entry.key for entry in path): leaf for path, leaf in leaves}


def _filled(tree, values, dtype):
    """`tree` with the leaves that `values` names replaced."""

    def replace(path, leaf):
        name = "/".join(entry.key for entry in path)
        if name not in values:
            return leaf
        assert values[name].shape == leaf.shape, name
        return jnp.asarray(values[name], dtype)

    return jax.tree_util.tree_map_with_path(replace, tree)


class JaxSide(Side):
    framework = "jax"

    def precision(self, dtype):
        return jax.enable_x64(dtype is np.float64)

    def describe(self):
        shapes = jax.eval_shape(self.workload.init_model_fn, jax.random.PRNGKey(0))
        self.params, self.model_state = shapes

    def initialise(self):
        self.params, self.model_state = self.workload.init_model_fn(jax.random.PRNGKey(0))

    def load(self, values, dtype):
        self.describe()
        if not {*_names(self.params), *_names(self.model_state)} <= values.keys():
            self.initialise()  # most of which is compiling
        self.params = _filled(self.params, values, dtype)
        self.model_state = _filled(self.model_state, values, dtype)

    def listing(self):
        parts = (_names(part) for part in (self.params, self.model_state))
        return tuple([(name, leaf.shape, leaf.dtype.name) for name, leaf in part.items()] for part in parts)

    def parameters(self):
        return {name: np.asarray(leaf) for name, leaf in _names(self.params).items()}

    def state(self):
        return {name: np.asarray(leaf) for name, leaf in _names(self.model_state).items()}

    def types(self):
        return _names(self.workload.model_params_types)

    def shapes(self):
        shapes = _names(self.workload.param_shapes)
        assert all(isinstance(shape, ShapeTuple) for shape in shapes.values())
        return {name: shape.shape_tuple for name, shape in shapes.items()}

    def output_candidates(self):
        return list(self.params)

    def tensor(self, array):
        return jnp.asarray(array.astype(np.int32) if array.dtype.kind in "iu" else array)

    def _forward(self, params, batch, mode):
        return self.workload.model_fn(
            params,
            batch,
            self.model_state,
            mode,
            jax.random.PRNGKey(0),
            update_batch_norm=mode is ForwardPassMode.TRAIN,
            dropout_rate=0.0,
        )

    def logits(self, batch):
        @jax.jit
        def compute(params, batch):
            evaluated, _ = self._forward(params, batch, ForwardPassMode.EVAL)
            trained, state = self._forward(params, batch, ForwardPassMode.TRAIN)
            return {"eval": evaluated, "train": trained}, state

        logits, self.model_state = compute(self.params, batch)
        return logits

    @functools.cached_property
    def _loss_fn(self):
        return jax.jit(self.workload.loss_fn)

    def losses(self, batch, logits, *, targets, masked, smoothing):
        mask = batch["weights"] if masked else None
        loss = self._loss_fn(batch[targets], logits, mask, smoothing)
        assert loss.keys() == {"summed", "n_valid_examples", "per_example"}
        return Losses(float(loss["summed"]), float(loss["n_valid_examples"]), np.asarray(loss["per_example"]))

    def translations(self, inputs, length):
        translate = registry.model_module(self.workload.definition, "jax").translate
        found = jax.jit(lambda params: translate(self.workload._module, params, inputs, length))
        return np.asarray(found(self.params))

    def passes(self, batch, *, evaluate, masked):
        def mean_loss(params):
            logits, state = self._forward(params, batch, ForwardPassMode.TRAIN)
            loss = self.workload.loss_fn(batch["targets"], logits, batch["weights"] if masked else None)
            return loss["summed"] / loss["n_valid_examples"], (logits, state)

        @jax.jit
        def compute(params, model_state):
            evaluated = {}
            with self.recorded() as logits:
                if evaluate:  # without its own jit, so that its logits can be had, and compiled once
                    evaluation = self.workload._evaluate.__wrapped__
                    evaluated = evaluation(params, model_state, self.evaluated(batch), jax.random.PRNGKey(0))
                if not logits:
                    self._forward(params, batch, ForwardPassMode.EVAL)
            return logits[0], evaluated, jax.value_and_grad(mean_loss, has_aux=True)(params)

        in_evaluation, evaluated, trained = compute(self.params, self.model_state)
        (value, (in_training, self.model_state)), gradient = trained
        return Passes(
            {"eval": in_evaluation, "train": in_training},
            evaluated,
            float(value),
            {name: np.asarray(leaf) for name, leaf in _names(gradient).items()},
        )
