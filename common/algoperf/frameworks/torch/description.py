"""Describes a module: parameters, buffers, layers, and whatever could change its forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.modules import module as machinery

# If replaced on a module or registered globally, these change what a forward pass computes.
_METHODS = ("forward", "__call__", "_call_impl", "_wrapped_call_impl")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


def _tensors(model: torch.nn.Module) -> dict[str, str]:
    tensors = [("parameter", model.named_parameters()), ("buffer", model.named_buffers())]
    return {
        f"{kind} {name}": f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
        for kind, named in tensors
        for name, tensor in named
    }


def model_form(params: Any, model_state: Any) -> dict[str, str]:
    """Each tensor by dtype and shape; by its type what is no module, and what is not None although it should be."""
    is_model = isinstance(params, torch.nn.Module)
    form = _tensors(params) if is_model else {"params": f"a value of type {type(params).__name__}"}
    return form if model_state is None else {**form, "model_state": f"a value of type {type(model_state).__name__}"}


def describe_model(model: torch.nn.Module) -> dict[str, str]:
    """Describe each tensor by dtype and shape, and each layer by class, replaced methods and hooks."""
    found = _tensors(model)
    for name, layer in model.named_modules():
        own = [method for method in _METHODS if method in vars(layer)]
        hooks = sum(len(getattr(layer, hook)) for hook in _HOOKS)
        changed = "".join(f", with its own {method}" for method in own) + (f", with {hooks} hooks" if hooks else "")
        found[f"layer {name or '(model)'}"] = f"{type(layer).__module__}.{type(layer).__qualname__}{changed}"
    hooks = sum(len(getattr(machinery, hook)) for hook in _GLOBAL_HOOKS)
    return {**found, "all layers": f"{hooks} hooks"}
