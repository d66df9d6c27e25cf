"""A state as a pickle that keeps tensors and arrays apart; `checkpoint_state.py` compares it with the harness's way.

The pickle refers to what a resumed run already has: the model with its parameters, modules, classes, module variables.
It needs the package cloudpickle, which the harness itself does not use.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
import weakref
from typing import Any

try:
    import cloudpickle
except ImportError as error:
    raise SystemExit("This benchmark needs the package cloudpickle.") from error
import jax
import numpy as np
import torch

from algoperf.checkpoint.tree import LeafCodec, NumpyCodec
from algoperf.frameworks.jax.codec import JaxCodec
from algoperf.frameworks.torch.codec import TorchCodec

CODECS: dict[str, LeafCodec] = {"torch": TorchCodec(torch.device("cpu")), "jax": JaxCodec(), "numpy": NumpyCodec()}


def living(model: Any) -> list[Any]:
    """The parts of a model to which a pickle refers, in an order that both runs have."""
    if isinstance(model, torch.nn.Module):
        return [*model.modules(), *model.parameters(), *model.buffers()]
    return jax.tree.leaves(model)


class Saver(cloudpickle.Pickler):
    """Pickles a state; tensors and arrays go to `arrays`, once for each piece of memory."""

    def __init__(self, model: Any) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file)
        self.arrays: dict[str, np.ndarray] = {}
        self._known: dict[int, tuple] = {id(part): ("living", index) for index, part in enumerate(living(model))}
        self._memory: dict[Any, tuple] = {}
        self._kept: list[Any] = []
        for index, part in enumerate(living(model)):
            if isinstance(part, torch.Tensor) and part.numel():
                self._memory.setdefault(part.untyped_storage().data_ptr(), ("living", index))

    def persistent_id(self, value: Any) -> tuple | None:
        """The description of an array or of a part of the model; None for what is pickled as usual."""
        if id(value) not in self._known:
            described = self._described(value)
            if described is None:
                return None
            kind, *rest = described
            self._known[id(value)] = (kind, len(self._known), *rest)
            self._kept.append(value)
        return self._known[id(value)]

    def _described(self, value: Any) -> tuple | None:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, (jax.Array, torch.Generator)):
            array, info = CODECS["jax" if isinstance(value, jax.Array) else "torch"].encode(value)
            return "coded", self._store(array), info
        if isinstance(value, np.ndarray) and not value.dtype.hasobject and not value.dtype.names:
            return self._numpy(value)
        return None

    def _store(self, array: np.ndarray) -> str:
        self.arrays[str(len(self.arrays))] = array
        return str(len(self.arrays) - 1)

    def _tensor(self, value: torch.Tensor) -> tuple:
        storage = value.untyped_storage()
        address = storage.data_ptr() if value.numel() else ("empty", id(value))
        if address not in self._memory:
            content = torch.empty(0, dtype=torch.uint8, device=value.device).set_(storage)
            self._memory[address] = ("own", self._store(content.cpu().numpy()))
            self._kept.append(storage)
        flags = (value.requires_grad, isinstance(value, torch.nn.Parameter), value.is_conj(), value.is_neg())
        place = (value.storage_offset(), tuple(value.shape), value.stride())
        return "tensor", self._memory[address], str(value.device), value.dtype, place, flags

    def _numpy(self, value: np.ndarray) -> tuple:
        root = value
        while isinstance(root.base, np.ndarray):
            root = root.base
        root = root if root.flags.c_contiguous else (value := value.copy("C"))
        address = root.__array_interface__["data"][0]
        offset = value.__array_interface__["data"][0] - address
        if address not in self._memory or not value.size:
            self._memory[address] = ("own", self._store(np.frombuffer(root.tobytes(), np.uint8)))
            self._kept.append(root)
        return "array", self._memory[address], value.dtype, offset, value.shape, value.strides, value.flags.writeable

    def reducer_override(self, value: Any) -> Any:
        """How to pickle what pickle or cloudpickle would not, or would copy."""
        if isinstance(value, torch.optim.Optimizer):  # its __getstate__ leaves out attributes
            return object.__new__, (type(value),), dict(vars(value)), None, None, set_attributes
        if isinstance(value, weakref.ref):  # schedulers have one in the optimizer's step
            return weakref.ref, (value(),)
        if isinstance(value, types.CellType):  # cloudpickle copies what two closures share
            return types.CellType, (), cell_content(value), None, None, fill_cell
        default = super().reducer_override(value)
        if default is NotImplemented or not isinstance(value, types.FunctionType):
            return default
        if value.__module__ not in sys.modules or vars(sys.modules[value.__module__]) is not value.__globals__:
            return default
        rest = {name: getattr(value, name) for name in ("__kwdefaults__", "__dict__", "__qualname__")}
        code = (value.__code__, value.__module__, value.__name__, value.__defaults__, value.__closure__)
        return make_function, code, rest, None, None, set_function  # cloudpickle copies the module's variables


def set_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Set all attributes of an object."""
    vars(value).update(attributes)


def cell_content(cell: types.CellType) -> tuple:
    """What is in a cell, if it is not empty."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def fill_cell(cell: types.CellType, content: tuple) -> None:
    """Put back what was in a cell."""
    if content:
        cell.cell_contents = content[0]


def make_function(code: types.CodeType, module: str, name: str, defaults: Any, closure: Any) -> types.FunctionType:
    """A function with the variables of its module, not copies of them."""
    return types.FunctionType(code, vars(sys.modules[module]), name, defaults, closure)


def set_function(function: types.FunctionType, attributes: dict[str, Any]) -> None:
    """Set what a function has besides its code."""
    for name, value in attributes.items():
        setattr(function, name, value)


class Loader(pickle.Unpickler):
    """Reads what `Saver` wrote."""

    def __init__(self, content: bytes, arrays: dict[str, np.ndarray], model: Any) -> None:
        super().__init__(io.BytesIO(content))
        self._arrays, self._living = arrays, living(model)
        self._made: dict[int, Any] = {}
        self._memory: dict[tuple, Any] = {}

    def persistent_load(self, described: tuple) -> Any:
        """The part of the model or the array that was described."""
        kind, number, *rest = described
        if kind == "living":
            return self._living[number]
        if number not in self._made:
            self._made[number] = getattr(self, f"_{kind}")(*rest)
        return self._made[number]

    def _coded(self, name: str, info: dict[str, Any]) -> Any:
        return CODECS[info["codec"]].decode(self._arrays[name], info, None)

    def _tensor(self, where: tuple, device: str, dtype: torch.dtype, place: tuple, flags: tuple) -> torch.Tensor:
        if where not in self._memory:
            own = self._living[where[1]] if where[0] == "living" else torch.from_numpy(self._arrays[where[1]].copy())
            self._memory[where] = own.to(device).untyped_storage()
        tensor = torch.empty(0, dtype=dtype, device=device).set_(self._memory[where], *place)
        grad, is_parameter, is_conj, is_neg = flags
        tensor = tensor.conj() if is_conj else tensor
        tensor = torch._neg_view(tensor) if is_neg else tensor
        return torch.nn.Parameter(tensor, grad) if is_parameter else tensor.requires_grad_(grad)

    def _array(
        self, where: tuple, dtype: np.dtype, offset: int, shape: tuple, strides: tuple, writeable: bool
    ) -> np.ndarray:
        memory = self._memory.setdefault(where, self._arrays[where[1]].copy())
        array = np.ndarray(shape, dtype, memory.data, offset, strides)
        array.flags.writeable = writeable
        return array
