"""Describes a module: parameters, buffers, layers, and whatever could change its forward pass."""

from __future__ import annotations

import torch
from torch.nn.modules import module as machinery

# If replaced on a module or registered globally, these change what a forward pass computes.
_METHODS = ("forward", "__call__", "_call_impl", "_wrapped_call_impl")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


def describe_model(model: torch.nn.Module) -> dict[str, str]:
    """Describe each tensor by dtype and shape, and each layer by class, replaced methods and hooks."""
    tensors = [("parameter", model.named_parameters()), ("buffer", model.named_buffers())]
    found = {
        f"{kind} {name}": f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
        for kind, named in tensors
        for name, tensor in named
    }
    for name, layer in model.named_modules():
        own = [method for method in _METHODS if method in vars(layer)]
        hooks = sum(len(getattr(layer, hook)) for hook in _HOOKS)
        changed = "".join(f", with its own {method}" for method in own) + (f", with {hooks} hooks" if hooks else "")
        found[f"layer {name or '(model)'}"] = f"{type(layer).__module__}.{type(layer).__qualname__}{changed}"
    hooks = sum(len(getattr(machinery, hook)) for hook in _GLOBAL_HOOKS)
    return {**found, "all layers": f"{hooks} hooks"}
