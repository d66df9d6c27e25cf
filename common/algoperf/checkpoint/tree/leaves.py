"""Leaves of a state: arrays, and how a framework's arrays become numpy arrays and back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Memory:
    """Where the bytes of a mutable array lie. Equal places mean shared memory.

    Attributes:
      owner: address of the whole allocation.
      begin, end: the array's bytes within it; equal if they are not dense.
      layout: what else must be equal for two arrays to be the same array under two names.
    """

    owner: int
    begin: int
    end: int
    layout: Hashable

    def overlaps(self, other: Memory) -> bool:
        """Whether the two certainly share bytes of one allocation."""
        return max(self.begin, other.begin) < min(self.end, other.end)


class LeafCodec(Protocol):
    """Converts a framework's arrays and generators to numpy arrays and back."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """The value as an array, and what else is needed to restore it; None if it is not the framework's."""
        ...

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """The restored value; copied into `template` where possible."""
        ...

    def memory(self, value: Any) -> Memory | None:
        """Where a value lies; None if it cannot be written to or is not the framework's."""
        ...

    def share(self, value: Any, info: dict[str, Any]) -> Any:
        """Another object that shares the memory of `value`."""
        ...


class NumpyCodec:
    """Arrays and scalars of numpy."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See LeafCodec."""
        if not isinstance(value, (np.ndarray, np.generic)):
            return None
        array = np.asarray(value)
        info: dict[str, Any] = {"codec": "numpy", **({"scalar": True} if isinstance(value, np.generic) else {})}
        if array.dtype.kind in "biufc" and array.dtype.isbuiltin == 1:
            return array, info
        if array.dtype.hasobject or array.dtype.names:
            return None
        # Texts, times, and the small floats of ml_dtypes: their bytes.
        content = np.frombuffer(array.tobytes(), np.uint8)
        name = array.dtype.name if array.dtype.isbuiltin == 2 else array.dtype.str
        return content, {**info, "dtype": name, "shape": list(array.shape)}

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See LeafCodec."""
        if "dtype" in info:
            array = np.frombuffer(array.tobytes(), np.dtype(info["dtype"])).reshape(info["shape"])
        if info.get("scalar"):
            return array[()]
        writeable = "memory" in info
        alike = isinstance(template, np.ndarray) and (template.shape, template.dtype) == (array.shape, array.dtype)
        if alike and template.flags.writeable and writeable:
            template[...] = array
            return template
        restored = array.copy()
        restored.flags.writeable = writeable or restored.size == 0  # those of flax.serialization cannot be written to
        return restored

    def memory(self, value: Any) -> Memory | None:
        """See LeafCodec."""
        if not isinstance(value, np.ndarray) or not value.flags.writeable or value.size == 0:
            return None
        root = value
        while isinstance(root.base, np.ndarray):
            root = root.base
        owner, address = root.__array_interface__["data"][0], value.__array_interface__["data"][0]
        begin = address - owner
        end = begin + value.nbytes if value.flags.c_contiguous else begin
        return Memory(owner, begin, end, (value.shape, value.strides, str(value.dtype)))

    def share(self, value: Any, info: dict[str, Any]) -> Any:
        """See LeafCodec."""
        del info
        return value.view()
