from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from algoperf.spec import ForwardPassMode, ShapeTuple
from side import Losses, Side, TrainingPass


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

    def initialise(self):
        self.params, self.model_state = self.workload.init_model_fn(jax.random.PRNGKey(0))

    def load(self, values, dtype):
        shapes = jax.eval_shape(self.workload.init_model_fn, jax.random.PRNGKey(0))
        if {*_names(shapes[0]), *_names(shapes[1])} <= values.keys():
            self.params, self.model_state = shapes  # avoid initialising: most of its time is compilation
        else:
            self.initialise()
        self.params = _filled(self.params, values, dtype)
        self.model_state = _filled(self.model_state, values, dtype)

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

    def logits(self, batch, *, train):
        mode = ForwardPassMode.TRAIN if train else ForwardPassMode.EVAL
        logits, self.model_state = jax.jit(lambda params, batch: self._forward(params, batch, mode))(self.params, batch)
        return logits

    def losses(self, batch, logits, *, targets, masked, smoothing):
        mask = batch["weights"] if masked else None
        loss = jax.jit(self.workload.loss_fn)(batch[targets], logits, mask, smoothing)
        assert loss.keys() == {"summed", "n_valid_examples", "per_example"}
        return Losses(float(loss["summed"]), float(loss["n_valid_examples"]), np.asarray(loss["per_example"]))

    def evaluation_outputs(self, batch):
        return self.workload.evaluation_step(self.params, self.model_state, jax.random.PRNGKey(0))(batch)

    def training_pass(self, batch):
        def mean_loss(params):
            logits, state = self._forward(params, batch, ForwardPassMode.TRAIN)
            loss = self.workload.loss_fn(batch["targets"], logits, batch["weights"])
            return loss["summed"] / loss["n_valid_examples"], (logits, state)

        compute = jax.jit(jax.value_and_grad(mean_loss, has_aux=True))
        (value, (logits, self.model_state)), gradient = compute(self.params)
        return TrainingPass(logits, float(value), {name: np.asarray(leaf) for name, leaf in _names(gradient).items()})
