"""What newer versions of JAX, NumPy, optax and PyTorch have dropped or renamed, and published submissions use.

Published entries were written for jax 0.4 to 0.7, optax 0.2.2, NumPy 1 and torch 2.5; `constraints.txt` pins later
ones. Only what can be replaced without a change of results is here: the new name of the same thing, or new names of
arguments. Sources: the change logs of the libraries. `docs/compatibility.md` says what is replaced where.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMPY: dict[str, Any] = {
    "round_": "round", "product": "prod", "cumproduct": "cumprod", "in1d": "isin", "trapz": "trapezoid",
    "row_stack": "vstack", "alltrue": "all", "sometrue": "any", "msort": "sort", "NaN": float("nan"),
    "Inf": float("inf"), "PINF": float("inf"), "NINF": float("-inf"), "infty": float("inf"), "PZERO": 0.0,
    "NZERO": -0.0, "bool8": "bool_", "float_": "float64", "complex_": "complex128", "fix": "trunc",
}  # fmt: skip
_TREES = ("all", "flatten", "leaves", "map", "reduce", "structure", "transpose", "unflatten")
_OF_CORE = ("Primitive", "Jaxpr", "ClosedJaxpr", "JaxprEqn", "Literal", "Var", "jaxpr_as_fun")
_ARRAYS = (
    "jax.numpy.DeviceArray", "jax.interpreters.xla.DeviceArray", "jax.interpreters.pxla.ShardedDeviceArray",
    "jax.random.KeyArray", "jax.random.PRNGKeyArray",
)  # fmt: skip

NAMES: Mapping[str, Any] = {
    # By full name: the full name of the same thing, or a value.
    **{f"jax.tree_{name}": f"jax.tree_util.tree_{name}" for name in _TREES},
    **dict.fromkeys(("jax.tree_multimap", "jax.tree_util.tree_multimap"), "jax.tree_util.tree_map"),
    "jax.treedef_is_leaf": "jax.tree_util.treedef_is_leaf",
    "jax.treedef_children": "jax.tree_util.treedef_children",
    "jax.tree_util.build_tree": "jax.tree_util.tree_unflatten",
    **{
        f"jax.numpy.{old}": f"jax.numpy.{new}" if isinstance(new, str) else new
        for old, new in _NUMPY.items()
        if old not in ("msort", "float_", "complex_")  # the first sorts along another axis, the others still exist
    },
    **{
        f"numpy.{old}": f"numpy.{new}" if isinstance(new, str) else new
        for old, new in _NUMPY.items()
        if old not in ("msort", "fix")
    },
    **dict.fromkeys(_ARRAYS, "jax.Array"),
    **{f"jax.core.{name}": f"jax.extend.core.{name}" for name in _OF_CORE},
    "jax.core.get_aval": "jax.typeof",
    "jax.config.config": "jax.config",
    "jax.linear_util": "jax.extend.linear_util",
    "jax.linear_util.wrap_init": "jax.extend.linear_util.wrap_init",
    "jax.lib.xla_bridge": "jax.extend.backend",
    "jax.lib.xla_bridge.get_backend": "jax.extend.backend.get_backend",
    "jax.random.shuffle": "jax.random.permutation",
    "jax.nn.normalize": "jax.nn.standardize",
    "jax.scipy.linalg.tril": "jax.numpy.tril",
    "jax.scipy.linalg.triu": "jax.numpy.triu",
    "jax.ad_checkpoint.checkpoint": "jax.checkpoint",
    "jax.experimental.enable_x64": "jax.enable_x64",
    "jax.experimental.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.experimental.pjit.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.experimental.pjit.with_sharding_constraint": "jax.lax.with_sharding_constraint",
    "jax.experimental.maps.Mesh": "jax.sharding.Mesh",
    "jax.interpreters.pxla.Mesh": "jax.sharding.Mesh",
    "jax.interpreters.pxla.PartitionSpec": "jax.sharding.PartitionSpec",
    "optax.additive_weight_decay": "optax.add_decayed_weights",
    "optax._src.transform.update_moment": "optax.tree.update_moment",
    "optax._src.transform.bias_correction": "optax.tree.bias_correction",
    "optax._src.transform.update_moment_per_elem_norm": "optax.tree.update_moment_per_elem_norm",
    "optax._src.transform.additive_weight_decay": "optax.add_decayed_weights",
}

POSITIONAL = "(by position)"
DROPPED = "(dropped)"
_VERBOSE = {"verbose": DROPPED}

ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    # By function: what has become of its keyword arguments. `POSITIONAL` stands for the first argument.
    "jax.numpy.clip": {"a": POSITIONAL, "a_min": "min", "a_max": "max"},
    "jax.numpy.linalg.pinv": {"rcond": "rtol"},
    "jax.numpy.linalg.matrix_rank": {"tol": "rtol"},
    "jax.numpy.sort": {"kind": DROPPED},
    "jax.numpy.argsort": {"kind": DROPPED},
    "jax.nn.softmax": {"initial": DROPPED},
    "jax.nn.log_softmax": {"initial": DROPPED},
    **{
        f"torch.optim.lr_scheduler.{name}": _VERBOSE
        for name in (
            "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR",
            "ExponentialLR", "LambdaLR", "LinearLR", "MultiplicativeLR", "MultiStepLR", "OneCycleLR", "PolynomialLR",
            "ReduceLROnPlateau", "SequentialLR", "StepLR",
        )
    },
}  # fmt: skip

PMAP_ERA = (
    "jax.pmap", "jax.soft_pmap", "jax.device_put_replicated", "jax.device_put_sharded", "flax.jax_utils.replicate",
    "flax.jax_utils.unreplicate", "flax.jax_utils.pad_shard_unpad", "flax.training.common_utils.shard",
)  # fmt: skip
"""What JAX entries of v0.5 and of v0.6 before April 2025 use: a leading axis of devices."""

PMAP_ERA_MEANS = (
    "the submission is of the pmap era (JAX entries of v0.5 and of v0.6 before April 2025), whose parameters, states "
    "and batches have a leading axis of devices; here they are global arrays without one, so it cannot run "
    "(docs/compatibility.md)"
)
