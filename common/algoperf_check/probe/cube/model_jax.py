"""Models of a few hundred parameters, one per kind of loss, and the same models under other names."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.frameworks.jax.layers import Dropout
from algoperf.workload.definition import WorkloadDefinition
from algoperf_check.probe.tiny import FRAME_SIZE, Heads

_WIDTH = 8


class _Images(nn.Module):
    """Convolution, batch normalisation, dropout."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, use_running_average: bool, dropout_rate: float) -> jax.Array:
        """Images (B, 8, 8, 3) to logits (B, 4)."""
        x = nn.Conv(4, (3, 3), strides=2, use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average, momentum=0.9)(x)).reshape((len(x), -1))
        x = Dropout()(x, dropout_rate, deterministic=not train)
        return nn.Dense(4, name="head")(x)


class _Clicks(nn.Module):
    """An embedding table and dense layers."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Four numbers and three categories (B, 7) to logits (B, 1)."""
        table = self.param("embedding_table", nn.initializers.normal(0.5), (12, 5))
        categories = table[x[:, 4:].astype(jnp.int32)].reshape((len(x), -1))
        x = nn.relu(nn.Dense(6)(jnp.concatenate([x[:, :4], categories], axis=1)))
        return nn.Dense(1, name="head")(x)


class _Attention(nn.Module):
    """Separate query, key, value and output. Keys have no bias: its gradient would be only rounding errors."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        query, value = nn.Dense(_WIDTH, name="query")(x), nn.Dense(_WIDTH, name="value")(x)
        return nn.Dense(_WIDTH, name="out")(_attend(query, nn.Dense(_WIDTH, use_bias=False, name="key")(x), value))


class _FusedAttention(nn.Module):
    """Query, key and value in one fused matrix."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        matrix = self.param("in_proj_weight", nn.initializers.lecun_normal(), (_WIDTH, 3 * _WIDTH))
        return nn.Dense(_WIDTH, use_bias=False, name="out")(_attend(*jnp.split(x @ matrix, 3, axis=-1)))


def _attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    return jax.nn.softmax(query @ key.swapaxes(1, 2) / _WIDTH**0.5) @ value


class _Tokens(nn.Module):
    """Embedding, attention, layer normalisation."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Tokens (B, 6) to logits (B, 6, 10)."""
        x = nn.Embed(10, _WIDTH)(x)
        x = x + _Attention()(nn.LayerNorm()(x))
        x = x + _FusedAttention()(nn.LayerNorm()(x))
        return nn.Dense(10, name="head")(x)


class _CausalAttn(nn.Module):
    """Causal, without biases; a parameter without axes. Types are read from names, as in the real model."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, N, width) to (B, N, width)."""
        query, key, value = jnp.split(nn.Dense(3 * _WIDTH, use_bias=False)(x), 3, axis=-1)
        scores = self.param("attn_scale", nn.initializers.ones, ()) * query @ key.swapaxes(1, 2) / _WIDTH**0.5
        return jax.nn.softmax(jnp.where(jnp.tri(x.shape[1]), scores, -1e9)) @ value


class _Text(nn.Module):
    """An embedding that is the output layer too."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Tokens (B, 6) to logits (B, 6, 10) of the next ones."""
        embed = nn.Embed(10, _WIDTH)
        x = embed(x)
        return embed.attend(x + _CausalAttn()(nn.LayerNorm(use_bias=False)(x)))


class _Speech(nn.Module):
    """Samples with paddings, a convolution over time."""

    @nn.compact
    def __call__(self, inputs: tuple[jax.Array, jax.Array], use_running_average: bool) -> tuple[jax.Array, jax.Array]:
        """Samples (B, 60) and paddings (B, 60), in frames of 5, to logits (B, 12, 6) and paddings (B, 12)."""
        x, paddings = inputs[0].reshape(len(inputs[0]), -1, FRAME_SIZE), inputs[1][:, ::FRAME_SIZE]
        x = nn.Conv(_WIDTH, (3,), use_bias=False)(x * (1.0 - paddings[..., None]))
        x = nn.relu(nn.BatchNorm(use_running_average, momentum=0.9)(x))
        return nn.Dense(6, name="head")(x), paddings


class _Pictures(nn.Module):
    """Image to image."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, dropout_rate: float) -> jax.Array:
        """Images (B, 8, 8) to images (B, 8, 8)."""
        y = nn.Conv(4, (3, 3))(x[..., None])
        y = nn.relu(nn.LayerNorm()(y))
        y = Dropout()(y, dropout_rate, deterministic=not train)
        return nn.Conv(1, (3, 3), name="conv_head")(y)[..., 0]


_MODELS = {
    "images": _Images,
    "clicks": _Clicks,
    "tokens": _Tokens,
    "text": _Text,
    "speech": _Speech,
    "pictures": _Pictures,
}


def build(definition: WorkloadDefinition) -> Any:
    """The model of the definition, under its usual or other names."""
    module = _MODELS[definition.model["task"]]()
    names = definition.model["names"]
    return module if names == "plain" else _renamed(module, reverse=names == "reordered")


def output_params(definition: WorkloadDefinition) -> Container[str]:
    """The output layer's names, with any prefix or suffix."""
    del definition
    return Heads()


# --- other names ------------------------------------------------------------------------------------------------

Names = dict[str, tuple[str, Any]]
"""New name -> (old name, the same for its subtree); None for an array."""


def _renamed(module: nn.Module, reverse: bool) -> Any:
    """A stand-in for `module` whose parameters have other names, and the opposite order if `reverse`.

    The module still uses its own names for random numbers, so initial values and dropout are the same.
    """
    names: dict[str, Names] = {}

    def init(self: Any, *args: Any, **keywords: Any) -> dict[str, Any]:
        variables = module.init(*args, **keywords)
        names.update({kind: _names(tree, reverse) for kind, tree in variables.items()})
        return {kind: _to_new(tree, names[kind]) for kind, tree in variables.items()}

    def apply(self: Any, variables: Mapping[str, Any], *args: Any, **keywords: Any) -> Any:
        if not names:  # the names follow from shapes alone
            raise RuntimeError("init must come before apply")
        old = {kind: _to_old(tree, names[kind]) for kind, tree in variables.items()}
        result = module.apply(old, *args, **keywords)
        if "mutable" not in keywords:
            return result
        outputs, state = result
        return outputs, {kind: _to_new(tree, names[kind]) for kind, tree in state.items()}

    call: Callable[..., Any] = type(module).__call__
    return type("Renamed", (), {"__call__": call, "init": init, "apply": apply})()


def _names(tree: Mapping[str, Any], reverse: bool) -> Names:
    modules = sorted(name for name, value in tree.items() if isinstance(value, Mapping))
    names: Names = {}
    for index, name in enumerate(reversed(modules) if reverse else modules):
        below = _names(tree[name], reverse)
        # Numbers change too; words stay, because parameter types are derived from them.
        shifted = re.sub(r"\d+$", lambda digits: str(int(digits[0]) + 7), name)
        names[f"M{index:02d}_{shifted}"] = (name, below)
    return {**names, **{name: (name, None) for name in tree if name not in modules}}


def _to_new(tree: Any, names: Names | None) -> Any:
    return tree if names is None else {new: _to_new(tree[old], below) for new, (old, below) in names.items()}


def _to_old(tree: Any, names: Names | None) -> Any:
    return tree if names is None else {old: _to_old(tree[new], below) for new, (old, below) in names.items()}
