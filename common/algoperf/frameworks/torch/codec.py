"""How torch tensors and generators are saved in checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from algoperf.checkpoint.tree.leaves import Memory

_BYTES = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32, 8: torch.uint64}


def _usual_strides(tensor: torch.Tensor) -> tuple[int, ...]:
    return torch.empty(tensor.shape, device="meta").stride()


class TorchCodec:
    """Tensors keep dtype, strides and device type. They are copied into the template's tensor if that fits."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See `state_leaves.LeafCodec`."""
        if isinstance(value, torch.Generator):
            return value.get_state().numpy(), {"codec": "torch", "generator": value.device.type}
        if not isinstance(value, torch.Tensor):
            return None
        tensor = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if not hasattr(np, dtype) and dtype != "bool":  # numpy does not support bfloat16 and float8: keep their bytes
            tensor = tensor.view(_BYTES[tensor.element_size()])
        info = {"codec": "torch", "dtype": dtype, "device": value.device.type, "grad": value.requires_grad}
        usual = value.stride() == _usual_strides(value)
        return tensor.numpy(), info if usual else {**info, "stride": list(value.stride())}

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See `state_leaves.LeafCodec`."""
        if "generator" in info:
            generator = template if isinstance(template, torch.Generator) else torch.Generator(info["generator"])
            generator.set_state(torch.from_numpy(array.copy()))
            return generator
        dtype = getattr(torch, info["dtype"])
        tensor = torch.from_numpy(array.copy())
        tensor = tensor if tensor.dtype == dtype else tensor.view(dtype)
        if self._fits(tensor, info, template):
            with torch.no_grad():
                return template.copy_(tensor).requires_grad_(info["grad"])
        device = self._device if info["device"] == "cuda" else torch.device(info["device"])
        strides = info.get("stride", _usual_strides(tensor))
        if 0 in strides:  # an expanded tensor, which nothing writes to
            return tensor.to(device).requires_grad_(info["grad"])
        made = torch.empty_strided(tensor.shape, strides, dtype=dtype, device=device)
        return made.copy_(tensor).requires_grad_(info["grad"])

    @staticmethod
    def _fits(tensor: torch.Tensor, info: dict[str, Any], template: Any) -> bool:
        if not isinstance(template, torch.Tensor) or 0 in template.stride():
            return False
        alike = (template.shape, template.dtype) == (tensor.shape, tensor.dtype)
        same_strides = list(template.stride()) == list(info.get("stride", _usual_strides(tensor)))
        leaf = template.is_leaf or template.requires_grad == info["grad"]
        return alike and same_strides and leaf and template.device.type == info["device"]

    def memory(self, value: Any) -> Memory | None:
        """See `state_leaves.LeafCodec`."""
        if not isinstance(value, torch.Tensor) or value.numel() == 0:
            return None
        size = value.element_size()
        begin = int(value.storage_offset()) * size
        end = begin + value.numel() * size if value.is_contiguous() else begin
        return Memory(value.untyped_storage().data_ptr(), begin, end, (value.shape, value.stride(), value.dtype))

    def share(self, value: torch.Tensor, info: dict[str, Any]) -> torch.Tensor:
        """See `state_leaves.LeafCodec`."""
        return value.detach().requires_grad_(info["grad"])
