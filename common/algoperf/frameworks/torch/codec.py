"""How torch tensors and generators are saved in checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_BYTES = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32, 8: torch.uint64}


class TorchCodec:
    """Tensors keep dtype and kind of device. They are copied into the template's, so that aliases survive."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See `state_tree.LeafCodec`."""
        if isinstance(value, torch.Generator):
            return value.get_state().numpy(), {"codec": "torch", "generator": value.device.type}
        if not isinstance(value, torch.Tensor):
            return None
        tensor = value.detach().cpu().contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if not hasattr(np, dtype) and dtype != "bool":  # numpy knows no bfloat16 and float8: keep their bytes
            tensor = tensor.view(_BYTES[tensor.element_size()])
        info = {"codec": "torch", "dtype": dtype, "device": value.device.type, "grad": value.requires_grad}
        return tensor.numpy(), info

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See `state_tree.LeafCodec`."""
        if "generator" in info:
            generator = template if isinstance(template, torch.Generator) else torch.Generator(info["generator"])
            generator.set_state(torch.from_numpy(array.copy()))
            return generator
        dtype = getattr(torch, info["dtype"])
        tensor = torch.from_numpy(array.copy())
        tensor = tensor if tensor.dtype == dtype else tensor.view(dtype)
        alike = isinstance(template, torch.Tensor) and (template.shape, template.dtype) == (
            tensor.shape,
            dtype,
        )
        if alike and template.device.type == info["device"]:
            with torch.no_grad():
                return template.copy_(tensor)
        return tensor.to(self._device if info["device"] == "cuda" else "cpu").requires_grad_(info["grad"])
