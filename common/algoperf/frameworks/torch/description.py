"""Describes a module: parameters, buffers, layers, and whatever could change its forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.modules import module as machinery

# If replaced on a module or registered globally, these change what a forward pass computes.
_METHODS = ("forward", "__call__", "_call_impl", "_wrapped_call_impl")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SAMPLED = 1 << 12
_GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


def _sort(tensor: torch.Tensor) -> str:
    """Nothing for a plain tensor: a subclass may show other values to the optimizer than to a checkpoint."""
    sort = type(tensor)
    return "" if sort in (torch.nn.Parameter, torch.Tensor) else f"{sort.__name__} of "


def _tensors(model: torch.nn.Module) -> dict[str, str]:
    tensors = [("parameter", model.named_parameters()), ("buffer", model.named_buffers())]
    return {
        f"{kind} {name}": f"{_sort(tensor)}{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
        for kind, named in tensors
        for name, tensor in named
    }


def checksums(model: torch.nn.Module) -> dict[str, int]:
    """The sum of some of each parameter's bits, read as integers: training moves all numbers, and few are cheap."""
    names, sums = [], []
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.view_as_real(parameter) if parameter.is_complex() else parameter.detach()
            names.append(name)
            sums.append(_sample(values).view(_INTEGERS[values.element_size()]).sum(dtype=torch.int64))
    return dict(zip(names, torch.stack(sums).tolist(), strict=True)) if sums else {}


def _sample(values: torch.Tensor) -> torch.Tensor:
    """Up to _SAMPLED numbers of a tensor, evenly spread; all of one whose numbers do not lie beside each other."""
    is_dense = values.is_contiguous() or (values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last))
    number = values.numel()
    if number <= _SAMPLED or not is_dense:
        return values
    return values.as_strided((_SAMPLED,), (number // _SAMPLED,))


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
