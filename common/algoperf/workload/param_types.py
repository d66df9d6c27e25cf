"""The published rules that read a parameter's role from its name; their misclassifications are kept.

Both look for substrings in a fixed order and take the first match. PyTorch names are dotted paths, matched
as they are; JAX names are tree paths, matched in lower case. Submitted models call their parameters as they like, so
a name that fits no rule is a bias or a weight there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algoperf.spec import ParameterType

# `(what the name contains, type)`, first match wins.
_TORCH_ATTENTION = (
    ("bias", ParameterType.ATTENTION_BIAS),
    ("in_proj", ParameterType.ATTENTION_QKV),
    ("qkv", ParameterType.ATTENTION_QKV),  # not among the rules of v0.6, which refuse finewebedu_lm's names
    ("kv_proj", ParameterType.ATTENTION_KV),
    ("k_proj", ParameterType.ATTENTION_K),
    ("key", ParameterType.ATTENTION_K),
    ("q_proj", ParameterType.ATTENTION_Q),
    ("query", ParameterType.ATTENTION_Q),
    ("v_proj", ParameterType.ATTENTION_V),
    ("value", ParameterType.ATTENTION_V),
)
_JAX_ATTENTION_KERNELS = (
    ("key", ParameterType.ATTENTION_K),
    ("query", ParameterType.ATTENTION_Q),
    ("value", ParameterType.ATTENTION_V),
    ("out", ParameterType.ATTENTION_OUT),
)


def _first_match(text: str, table: Sequence[tuple[str, ParameterType]]) -> ParameterType | None:
    return next((kind for part, kind in table if part in text), None)


def torch_param_type(name: str, *, is_submitted: bool = False) -> ParameterType:
    """The type of a PyTorch parameter.

    ValueError if a normalisation or attention parameter of a published model fits no rule.
    """
    try:
        return _torch_param_type(name)
    except ValueError:
        if is_submitted:
            return _plain(name)
        raise


def _plain(name: str) -> ParameterType:
    return ParameterType.BIAS if "bias" in name else ParameterType.WEIGHT


def _torch_param_type(name: str) -> ParameterType:
    for parts, kind in ((("bn",), "BATCH_NORM"), (("norm", "ln"), "LAYER_NORM")):
        if any(part in name for part in parts):
            role = "SCALE" if "weight" in name or "scale" in name else "BIAS" if "bias" in name else None
            if role is None:
                raise ValueError(f"No parameter type for {name!r}: a normalisation parameter of unknown role.")
            return ParameterType[f"{kind}_{role}"]
    if "conv" in name:
        return ParameterType.BIAS if "bias" in name else ParameterType.CONV_WEIGHT
    if "embed" in name and "weight" in name:
        return ParameterType.EMBEDDING
    if "attn" in name or "attention" in name:
        return _torch_attention_type(name)
    return _plain(name)


def _torch_attention_type(name: str) -> ParameterType:
    kind = _first_match(name, _TORCH_ATTENTION)
    if kind is None and "out" in name and "weight" in name:
        kind = ParameterType.ATTENTION_OUT
    if kind is None and "scale" in name:
        kind = ParameterType.WEIGHT
    if kind is None:
        raise ValueError(f"No parameter type for {name!r}: an attention parameter of unknown role.")
    return kind


def jax_param_types(params: Mapping[str, Any], parent: str = "", *, is_submitted: bool = False) -> dict[str, Any]:
    """The tree of types of a nested dict of JAX parameters, with its own keys (the reference lower-cases them).

    ValueError if a normalisation or attention parameter of a published model fits no rule.
    """

    def type_of(leaf: str) -> ParameterType:
        try:
            return _jax_param_type(parent, leaf)
        except ValueError:
            if is_submitted:
                return _plain(leaf)
            raise

    return {
        name: jax_param_types(value, f"{parent}/{name.lower()}" if parent else name.lower(), is_submitted=is_submitted)
        if isinstance(value, Mapping)
        else type_of(name.lower())
        for name, value in params.items()
    }


def _jax_param_type(parent: str, leaf: str) -> ParameterType:
    for parts, kind in ((("batchnorm", "bn"), "BATCH_NORM"), (("layernorm", "ln"), "LAYER_NORM")):
        if any(part in parent for part in parts):
            if leaf not in ("scale", "bias"):
                raise ValueError(f"No parameter type for {parent}/{leaf}: a normalisation parameter of unknown role.")
            return ParameterType[f"{kind}_{leaf.upper()}"]
    if "conv" in parent:
        return ParameterType.BIAS if "bias" in leaf else ParameterType.CONV_WEIGHT
    if "embedding" in leaf or ("embedding" in parent and leaf == "kernel"):
        return ParameterType.EMBEDDING
    if "attention" in parent:
        return _jax_attention_type(parent, leaf)
    return _plain(leaf)


def _jax_attention_type(parent: str, leaf: str) -> ParameterType:
    if leaf == "bias":
        return ParameterType.ATTENTION_BIAS
    kind = _first_match(parent, _JAX_ATTENTION_KERNELS) if leaf == "kernel" else None
    if kind is None and "scale" in leaf:
        kind = ParameterType.WEIGHT
    if kind is None and "in_proj_weight" in leaf:
        kind = ParameterType.ATTENTION_QKV
    if kind is None:
        raise ValueError(f"No parameter type for {parent}/{leaf}: an attention parameter of unknown role.")
    return kind
