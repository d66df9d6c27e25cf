"""Any state as plain data: a JSON tree and a dictionary of named arrays, and back.

Optimizer states are whatever a submission likes: pytrees, namedtuples, dicts of objects with `state_dict`,
objects of its own classes, closures that count. `encode` walks such a value and writes down everything that is
data. `decode` puts the data back into a *template*: the same value freshly made by the submission's own
`init_optimizer_state`, which supplies what is not data (functions, classes, devices). No code is stored and none
is executed on reading, so checkpoints of strangers can be opened.

Aliases survive where the template has them too: tensors are copied in place.
"""

from __future__ import annotations

import base64
import collections
import collections.abc
import copy
import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from algoperf import spec
from algoperf.errors import CheckpointMismatch

Node = dict[str, Any]
_MISSING = object()


class LeafCodec(Protocol):
    """How a framework's own arrays and generators become numpy arrays, and back."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """The value as an array and what else is needed to restore it; None if it is not one of its own."""
        ...

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """The value again; copied into `template` where that is possible."""
        ...


class NumpyCodec:
    """Arrays, scalars and generators of numpy."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See LeafCodec."""
        if isinstance(value, np.ndarray) and value.dtype != object:
            return value, {"codec": "numpy"}
        if isinstance(value, np.generic):
            return np.asarray(value), {"codec": "numpy", "scalar": True}
        return None

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See LeafCodec."""
        del template
        return array[()] if info.get("scalar") else array


def encode(value: Any, codecs: dict[str, LeafCodec], prefix: str) -> tuple[Node, dict[str, np.ndarray]]:
    """The tree of `value`, and its arrays by path; `prefix` (may be empty) begins every path."""
    encoder = _Encoder(codecs)
    return encoder.node(value, prefix), encoder.arrays


def decode(node: Node, arrays: dict[str, np.ndarray], template: Any, codecs: dict[str, LeafCodec]) -> Any:
    """The value that was encoded, made from `template`. CheckpointMismatch names the place where they differ."""
    return _Decoder(arrays, codecs).value(node, template, "state")


def _join(path: str, name: Any) -> str:
    return f"{path}/{name}" if path else str(name)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_stateful(value: Any) -> bool:
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def _is_opaque(value: Any) -> bool:
    """What is not data: taken from the template on decoding."""
    opaque = (type, types.ModuleType, types.BuiltinFunctionType, types.MethodType, spec.Workload)
    return isinstance(value, opaque) or not hasattr(value, "__dict__")


class _Encoder:
    def __init__(self, codecs: dict[str, LeafCodec]) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._codecs = codecs
        self._open: set[int] = set()  # objects being walked, to stop at cycles

    def node(self, value: Any, path: str) -> Node:
        if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
            return {"value": value}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        for codec in self._codecs.values():
            leaf = codec.encode(value)
            if leaf is not None:
                array, info = leaf
                name = path if path not in self.arrays else f"{path}~{len(self.arrays)}"
                self.arrays[name] = array
                return {"array": name, **info}
        if id(value) in self._open:
            return {"keep": _type_name(value)}
        self._open.add(id(value))
        try:
            return self._inner(value, path)
        finally:
            self._open.discard(id(value))

    def _inner(self, value: Any, path: str) -> Node:
        if isinstance(value, np.random.Generator):
            return {"generator": self.node(dict(value.bit_generator.state), path)}
        if isinstance(value, collections.abc.Mapping):
            return self._dict(value, path)
        if _is_namedtuple(value):
            items = {
                name: self.node(item, _join(path, name)) for name, item in zip(value._fields, value, strict=True)
            }
            return {"namedtuple": _type_name(value), "items": items}
        if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            kind = next(
                k for k in (list, tuple, set, frozenset, collections.deque) if isinstance(value, k)
            ).__name__
            return {kind: [self.node(item, _join(path, index)) for index, item in enumerate(value)]}
        if _is_stateful(value):
            return self._stateful(value, path)
        if isinstance(value, types.FunctionType):
            return self._function(value, path)
        if _is_opaque(value):
            return {"keep": _type_name(value)}
        return {"object": _type_name(value), "attributes": self._attributes(vars(value), path)}

    def _dict(self, value: Any, path: str) -> Node:
        pairs = []
        for index, (key, item) in enumerate(value.items()):
            plain = isinstance(key, (str, int, float, bool, type(None)))
            key_node = {"value": key} if plain else self.node(key, _join(path, f"key_{index}"))
            pairs.append([key_node, self.node(item, _join(path, key if plain else index))])
        return {"dict": pairs}

    def _stateful(self, value: Any, path: str) -> Node:
        state = value.state_dict()
        # Submissions hang attributes of their own on optimizers, which state_dict does not know. A module's
        # own attributes (such as its mode) are the model function's business.
        own = {} if hasattr(value, "named_parameters") else getattr(value, "__dict__", {})
        extra = {name: item for name, item in own.items() if name not in state}
        plain = {name: item for name, item in extra.items() if self._is_plain(item)}
        return {
            "stateful": _type_name(value),
            "state_dict": self._dict(state, path),
            "attributes": self._attributes(plain, _join(path, "attributes")),
        }

    def _is_plain(self, value: Any) -> bool:
        if isinstance(value, (list, tuple, collections.deque)):
            return all(self._is_plain(item) for item in value)
        if isinstance(value, dict):
            return all(isinstance(key, (str, int)) and self._is_plain(item) for key, item in value.items())
        primitive = value is None or isinstance(value, (bool, int, float, str))
        return primitive or any(codec.encode(value) is not None for codec in self._codecs.values())

    def _function(self, value: types.FunctionType, path: str) -> Node:
        """A closure's data lives in its cells."""
        cells = {}
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            content = _cell_content(cell)
            if content is not _MISSING and (self._is_plain(content) or isinstance(content, types.FunctionType)):
                cells[name] = self.node(content, _join(path, name))
        return {"function": value.__qualname__, "cells": cells}

    def _attributes(self, attributes: dict[str, Any], path: str) -> dict[str, Node]:
        return {name: self.node(item, _join(path, name)) for name, item in attributes.items()}


def _cell_content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a cell that is still empty
        return _MISSING


class _Decoder:
    def __init__(self, arrays: dict[str, np.ndarray], codecs: dict[str, LeafCodec]) -> None:
        self._arrays = arrays
        self._codecs = codecs

    def value(self, node: Node, template: Any, path: str) -> Any:
        if "value" in node:
            return node["value"]
        if "array" in node:
            codec = self._codecs.get(node["codec"])
            if codec is None:
                raise CheckpointMismatch(
                    f"{path} was saved by the framework {node['codec']!r}, which is not in use."
                )
            return codec.decode(self._arrays[node["array"]], node, template)
        kind = next(iter(node))
        handler: Callable[[Node, Any, str], Any] = getattr(self, f"_{kind}")
        return handler(node, template, path)

    def _bytes(self, node: Node, template: Any, path: str) -> bytes:
        del template, path
        return base64.b64decode(node["bytes"])

    def _keep(self, node: Node, template: Any, path: str) -> Any:
        if template is _MISSING:
            raise CheckpointMismatch(
                f"{path} is a {node['keep']}, which cannot be saved, and init_optimizer_state does not make one. "
                f"Create it there, or give it state_dict and load_state_dict."
            )
        return template

    def _generator(self, node: Node, template: Any, path: str) -> Any:
        generator = template if isinstance(template, np.random.Generator) else np.random.default_rng(0)
        state = self.value(node["generator"], _MISSING, path)
        if generator.bit_generator.state["bit_generator"] != state["bit_generator"]:
            generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
        generator.bit_generator.state = state
        return generator

    def _dict(self, node: Node, template: Any, path: str) -> Any:
        known = template if isinstance(template, collections.abc.Mapping) else {}
        items = {}
        for key_node, item in node["dict"]:
            key = self.value(key_node, _MISSING, path)
            items[key] = self.value(item, known.get(key, _MISSING), _join(path, key))
        if isinstance(template, dict) and type(template) is not dict:
            filled = copy.copy(template)  # keeps a defaultdict's factory
            filled.clear()
            filled.update(items)
            return filled
        is_mapping = isinstance(template, collections.abc.Mapping) and not isinstance(template, dict)
        return type(template)(items) if is_mapping else items

    def _sequence(self, items: list[Node], template: Any, path: str) -> list[Any]:
        known = list(template) if isinstance(template, (list, tuple, collections.deque)) else []
        known += [_MISSING] * (len(items) - len(known))
        return [self.value(item, known[index], _join(path, index)) for index, item in enumerate(items)]

    def _list(self, node: Node, template: Any, path: str) -> list[Any]:
        return self._sequence(node["list"], template, path)

    def _tuple(self, node: Node, template: Any, path: str) -> tuple[Any, ...]:
        return tuple(self._sequence(node["tuple"], template, path))

    def _set(self, node: Node, template: Any, path: str) -> set[Any]:
        return set(self._sequence(node["set"], template, path))

    def _frozenset(self, node: Node, template: Any, path: str) -> frozenset[Any]:
        return frozenset(self._sequence(node["frozenset"], template, path))

    def _deque(self, node: Node, template: Any, path: str) -> Any:
        maxlen = template.maxlen if isinstance(template, collections.deque) else None
        return collections.deque(self._sequence(node["deque"], template, path), maxlen)

    def _namedtuple(self, node: Node, template: Any, path: str) -> Any:
        name = node["namedtuple"]
        cls = (
            type(template)
            if template is not _MISSING and _type_name(template) == name
            else _known_class(name, path)
        )
        values = {
            field: self.value(item, getattr(template, field, _MISSING), _join(path, field))
            for field, item in node["items"].items()
        }
        return cls(**values)

    def _stateful(self, node: Node, template: Any, path: str) -> Any:
        if not _is_stateful(template):
            raise CheckpointMismatch(
                f"{path} was a {node['stateful']}, but init_optimizer_state makes {template!r}."
            )
        template.load_state_dict(self._dict({"dict": node["state_dict"]["dict"]}, template.state_dict(), path))
        for name, item in node["attributes"].items():
            setattr(template, name, self.value(item, getattr(template, name, _MISSING), _join(path, name)))
        return template

    def _function(self, node: Node, template: Any, path: str) -> Any:
        if not isinstance(template, types.FunctionType) or template.__qualname__ != node["function"]:
            raise CheckpointMismatch(f"{path} was the function {node['function']}, but is {template!r} now.")
        for name, cell in zip(template.__code__.co_freevars, template.__closure__ or (), strict=True):
            if name in node["cells"]:
                cell.cell_contents = self.value(node["cells"][name], _cell_content(cell), _join(path, name))
        return template

    def _object(self, node: Node, template: Any, path: str) -> Any:
        name = node["object"]
        if template is _MISSING or _type_name(template) != name:
            cls = _known_class(name, path)
            template = cls.__new__(cls)
        elif dataclasses.is_dataclass(template):
            template = copy.copy(template)  # may be frozen and shared
        for attribute, item in node["attributes"].items():
            known = getattr(template, attribute, _MISSING)
            object.__setattr__(template, attribute, self.value(item, known, _join(path, attribute)))
        return template


def _known_class(name: str, path: str) -> Any:
    """A class by its full name, from the modules that are loaded already."""
    parts = name.split(".")
    for split_at in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:split_at]))
        for part in parts[split_at:]:
            found = getattr(found, part, None)
        if isinstance(found, type):
            return found
    raise CheckpointMismatch(f"{path} was saved as a {name}, which the submission does not define now.")
