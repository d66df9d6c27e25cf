"""Any state as plain data: a JSON tree and a dictionary of named arrays, and back.

Optimizer states are whatever a submission likes: pytrees, namedtuples, dicts of objects with `state_dict`,
objects of its own classes, closures that count. The encoder walks such a value and writes down everything that
is data. The decoder puts the data back into a *template*: the same value freshly made by the submission's own
`init_optimizer_state`, which supplies what is not data (functions, libraries' objects, devices). No code is
stored and none is executed on reading, so checkpoints of strangers can be opened.

Everything that can be shared has a number. What was one object, or one piece of memory, is one again; what was
not stays apart, even where the template has one object in two places. Sharing is followed from one tree to the
next of the same encoder or decoder: an optimizer's list of parameters are the model's own again.
"""

from __future__ import annotations

import base64
import collections
import collections.abc
import copy
import dataclasses
import enum
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from algoperf import state_kinds as kinds
from algoperf.errors import CheckpointMismatch
from algoperf.state_leaves import LeafCodec as LeafCodec
from algoperf.state_leaves import Memory
from algoperf.state_leaves import NumpyCodec as NumpyCodec

Node = dict[str, Any]
Arrays = dict[str, np.ndarray]
_MISSING = object()
_SEQUENCES = {kind.__name__: kind for kind in (list, tuple, set, frozenset, collections.deque)}


def _join(path: str, name: Any) -> str:
    return f"{path}/{name}" if path else str(name)


class Encoder:
    """Encodes one or more trees that may share objects."""

    def __init__(self, codecs: dict[str, LeafCodec]) -> None:
        self._codecs = codecs
        self._arrays: Arrays = {}
        self._numbers: dict[int, int] = {}  # id -> number
        self._memory: dict[Any, tuple[int, str]] = {}  # an array's memory and layout -> its number and name
        self._owners: dict[int, int] = {}  # address of an allocation -> number
        self._kept: list[Any] = []  # temporary objects too: an id must not be used twice

    def tree(self, value: Any) -> tuple[Node, Arrays]:
        """The tree of `value`, and its arrays by path."""
        self._arrays = {}
        return self._node(value, ""), self._arrays

    def _node(self, value: Any, path: str) -> Node:
        if isinstance(value, enum.Enum):
            return {"enum": kinds.type_name(value), "member": value.name}
        if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
            return {"value": value}
        if isinstance(value, complex) and not isinstance(value, np.generic):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if id(value) in self._numbers:
            return {"same": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        node = self._leaf(value, path, number) or self._inner(value, path)
        return {**node, "number": number}

    def _leaf(self, value: Any, path: str, number: int) -> Node | None:
        for codec in self._codecs.values():
            leaf = codec.encode(value)
            if leaf is not None:
                break
        else:
            return None
        array, info = leaf
        memory = codec.memory(value)
        if memory is None:
            return {"array": self._store(array, path), **info}
        owner = self._owners.setdefault(memory.owner, len(self._owners))
        key = (memory, info["codec"])
        if key in self._memory:
            original, name = self._memory[key]
            return {"array": name, **info, "shares": original}
        name = self._store(array, path)
        self._memory[key] = (number, name)
        return {"array": name, **info, "memory": [owner, memory.begin, memory.end]}

    def _store(self, array: np.ndarray, path: str) -> str:
        name = path
        while name in self._arrays:  # keys 1 and "1", names with slashes
            name = f"{path}~{len(self._arrays)}"
        self._arrays[name] = array
        return name

    def _inner(self, value: Any, path: str) -> Node:
        if isinstance(value, kinds.GENERATORS):
            return {"generator": kinds.type_name(value), "state": self._node(kinds.generator_state(value), path)}
        if isinstance(value, collections.abc.Mapping):
            return self._dict(value, path)
        if kinds.is_namedtuple(value):
            fields = dict(zip(value._fields, value, strict=True))
            return {"namedtuple": kinds.type_name(value), "items": self._attributes(fields, path)}
        for name, kind in _SEQUENCES.items():
            if isinstance(value, kind):
                return {name: [self._node(item, _join(path, index)) for index, item in enumerate(value)]}
        if kinds.is_stateful(value):
            return self._stateful(value, path)
        if isinstance(value, types.FunctionType):
            # A closure's data lives in its cells, and some functions have attributes.
            cells = self._attributes(kinds.cell_contents(value), path)
            own = self._attributes(kinds.attributes_of(value), _join(path, "attributes"))
            return {"function": value.__qualname__, "cells": cells, "attributes": own}
        if isinstance(value, types.MethodType):
            return {"method": value.__func__.__qualname__, "self": self._node(value.__self__, path)}
        if kinds.is_walkable(value):
            attributes = self._attributes(kinds.attributes_of(value), path)
            return {"object": kinds.type_name(value), "attributes": attributes}
        if callable(getattr(value, "__next__", None)) and kinds.text_of(value) is None:
            return {"unsaved": kinds.type_name(value)}
        return {"keep": kinds.type_name(value), "text": kinds.text_of(value)}

    def _dict(self, value: Any, path: str) -> Node:
        pairs = []
        for index, (key, item) in enumerate(value.items()):
            plain = isinstance(key, (str, int, float, bool, type(None)))
            key_node = self._node(key, _join(path, f"key_{index}"))
            pairs.append([key_node, self._node(item, _join(path, key if plain else index))])
        return {"dict": pairs, "kind": kinds.type_name(value)}

    def _stateful(self, value: Any, path: str) -> Node:
        state = state_of(value)
        # Submissions hang attributes of their own on optimizers, which state_dict does not know. A module's
        # own attributes (such as its mode) are the model function's business; hooks are code.
        own = {} if _is_module(value) else kinds.attributes_of(value)
        own = {name: item for name, item in own.items() if name not in state and not name.endswith("_hooks")}
        return {
            "stateful": kinds.type_name(value),
            "state_dict": self._dict(state, path),
            "attributes": self._attributes(own, _join(path, "attributes")),
        }

    def _attributes(self, attributes: dict[str, Any], path: str) -> dict[str, Node]:
        return {name: self._node(item, _join(path, name)) for name, item in attributes.items()}


def _is_module(value: Any) -> bool:
    return hasattr(value, "named_parameters")


def state_of(value: Any) -> dict[Any, Any]:
    """The state of an object with `state_dict`; of a module with the parameters themselves, not copies of them."""
    state: dict[Any, Any] = value.state_dict(keep_vars=True) if _is_module(value) else value.state_dict()
    return state


class Decoder:
    """Decodes the trees of one encoder, in the same order. CheckpointMismatch names the place that differs."""

    def __init__(self, codecs: dict[str, LeafCodec]) -> None:
        self._codecs = codecs
        self._arrays: Arrays = {}
        self._made: dict[int, Any] = {}  # number -> value
        self._filled: dict[int, int] = {}  # address of an allocation -> what was put there, so that it stays
        self._placed: dict[int, list[tuple[Memory, int, str]]] = {}
        self._taken: dict[int, int] = {}  # id of a part of the template -> number of what it has become
        self._handlers: dict[str, Callable[[Node, Any, str], Any]] = {
            "array": self._array, "bytes": self._bytes, "complex": self._complex, "dict": self._dict,
            "enum": self._enum, "function": self._function, "generator": self._generator, "keep": self._keep,
            "method": self._method, "namedtuple": self._namedtuple, "object": self._object, "same": self._same,
            "stateful": self._stateful, "unsaved": self._unsaved, "value": self._value,
            **dict.fromkeys(_SEQUENCES, self._sequence),
        }  # fmt: skip

    def tree(self, node: Node, arrays: Arrays, template: Any) -> Any:
        """The value that was encoded, made from `template`."""
        self._arrays = arrays
        return self._decode(node, template, "")

    def _decode(self, node: Node, template: Any, path: str) -> Any:
        number = node.get("number")
        if number is not None and template is not _MISSING and self._is_taken(template, number):
            template = self._apart(node, template)
        value = self._handlers[next(iter(node))](node, template, path)
        if number is not None:
            self._made[number] = value
        return value

    def _is_taken(self, template: Any, number: int) -> bool:
        """Whether this part of the template has become another value already; else it becomes this one."""
        return self._taken.setdefault(id(template), number) != number

    @staticmethod
    def _apart(node: Node, template: Any) -> Any:
        """A template that can be filled without changing what it was used for before."""
        if "object" in node or "stateful" in node or "generator" in node:
            return copy.deepcopy(template)
        return template  # code, and containers, which are made anew anyway; arrays look at their memory

    def _value(self, node: Node, template: Any, path: str) -> Any:
        del template, path
        return node["value"]

    def _complex(self, node: Node, template: Any, path: str) -> complex:
        del template, path
        return complex(*node["complex"])

    def _bytes(self, node: Node, template: Any, path: str) -> bytes:
        del template, path
        return base64.b64decode(node["bytes"])

    def _enum(self, node: Node, template: Any, path: str) -> Any:
        return kinds.enum_member(node["enum"], node["member"], template, path)

    def _same(self, node: Node, template: Any, path: str) -> Any:
        del template
        if node["same"] not in self._made:
            raise CheckpointMismatch(f"{path} is part of itself, which cannot be remade.")
        return self._made[node["same"]]

    def _array(self, node: Node, template: Any, path: str) -> Any:
        codec = self._codecs.get(node["codec"])
        if codec is None:
            raise CheckpointMismatch(f"{path} was saved by the framework {node['codec']!r}, which is not in use.")
        known = codec.memory(template)
        if "shares" in node:
            original = self._made[node["shares"]]
            shared = known is not None and known == codec.memory(original)
            return template if shared else codec.share(original, node)
        if "memory" not in node:
            return codec.decode(self._arrays[node["array"]], node, template)
        owner, begin, end = node["memory"]
        if known is not None and self._filled.setdefault(known.owner, owner) != owner:
            template = _MISSING  # its memory is something else's now
        value = codec.decode(self._arrays[node["array"]], node, template)
        self._check_sharing(owner, Memory(owner, begin, end, None), codec.memory(value), path)
        return value

    def _check_sharing(self, owner: int, saved: Memory, found: Memory | None, path: str) -> None:
        if found is None:
            return
        self._filled[found.owner] = owner
        for other, other_owner, other_path in self._placed.setdefault(owner, []):
            if other.overlaps(saved) and other_owner != found.owner:
                raise CheckpointMismatch(
                    f"{path} and {other_path} were parts of one array when they were saved. "
                    "That can be kept only if init_optimizer_state makes them so."
                )
        self._placed[owner].append((saved, found.owner, path))

    def _keep(self, node: Node, template: Any, path: str) -> Any:
        if template is _MISSING:
            raise CheckpointMismatch(
                f"{path} is a {node['keep']}, which cannot be saved, and init_optimizer_state does not make one. "
                f"Create it there, or give it state_dict and load_state_dict."
            )
        if node["text"] is not None and node["text"] != kinds.text_of(template):
            raise CheckpointMismatch(
                f"{path} is a {node['keep']}, which cannot be saved: it was {node['text']}, but "
                f"init_optimizer_state makes {template!r}."
            )
        return template

    def _unsaved(self, node: Node, template: Any, path: str) -> Any:
        del template
        raise CheckpointMismatch(
            f"{path} is a {node['unsaved']}. How far an iterator has come cannot be saved: keep a number instead."
        )

    def _generator(self, node: Node, template: Any, path: str) -> Any:
        return kinds.restored_generator(node["generator"], self._decode(node["state"], _MISSING, path), template)

    def _dict(self, node: Node, template: Any, path: str) -> Any:
        known = template if isinstance(template, collections.abc.Mapping) else {}
        keys = list(known)
        items: dict[Any, Any] = {}
        if node["kind"] == "builtins.dict":
            self._made[node.get("number", -1)] = items  # known before it is filled: it may contain itself
        for index, (key_node, item) in enumerate(node["dict"]):
            key = self._decode(key_node, keys[index] if index < len(keys) else _MISSING, path)
            items[key] = self._decode(item, known.get(key, _MISSING), _join(path, key))
        return kinds.restored_mapping(node["kind"], items, template, path)

    def _sequence(self, node: Node, template: Any, path: str) -> Any:
        name = next(iter(node))
        kind = _SEQUENCES[name]
        known = list(template) if isinstance(template, kind) and name not in ("set", "frozenset") else []
        known += [_MISSING] * (len(node[name]) - len(known))
        items: Any = [] if name != "deque" else collections.deque(maxlen=getattr(template, "maxlen", None))
        if name in ("list", "deque"):
            self._made[node["number"]] = items
        for index, item in enumerate(node[name]):
            items.append(self._decode(item, known[index], _join(path, index)))
        return items if name in ("list", "deque") else kind(items)

    def _namedtuple(self, node: Node, template: Any, path: str) -> Any:
        name = node["namedtuple"]
        cls: Any = type(template) if kinds.type_name(template) == name else kinds.known_class(name, path, tuple)
        if tuple(node["items"]) != getattr(cls, "_fields", None):
            raise CheckpointMismatch(f"{path}: {name} had the fields {', '.join(node['items'])} when it was saved.")
        known = {field: getattr(template, field, _MISSING) for field in node["items"]}
        return tuple.__new__(cls, self._attributes(node["items"], known, path).values())

    def _attributes(self, nodes: dict[str, Node], known: dict[str, Any], path: str) -> dict[str, Any]:
        return {
            name: self._decode(item, known.get(name, _MISSING), _join(path, name)) for name, item in nodes.items()
        }

    def _function(self, node: Node, template: Any, path: str) -> Any:
        if not isinstance(template, types.FunctionType) or template.__qualname__ != node["function"]:
            made = "nothing" if template is _MISSING else repr(template)
            raise CheckpointMismatch(
                f"{path} was the function {node['function']}, but init_optimizer_state makes {made}."
            )
        self._made[node["number"]] = template
        contents = self._attributes(node["cells"], kinds.cell_contents(template), path)
        for name, cell in zip(template.__code__.co_freevars, template.__closure__ or (), strict=True):
            if name in contents:
                cell.cell_contents = contents[name]
        vars(template).update(self._attributes(node["attributes"], vars(template), path))
        return template

    def _method(self, node: Node, template: Any, path: str) -> Any:
        if not isinstance(template, types.MethodType) or template.__func__.__qualname__ != node["method"]:
            raise CheckpointMismatch(
                f"{path} was the method {node['method']}, and init_optimizer_state makes none there."
            )
        owner = self._decode(node["self"], template.__self__, path)
        return template if owner is template.__self__ else types.MethodType(template.__func__, owner)

    def _object(self, node: Node, template: Any, path: str) -> Any:
        name = node["object"]
        if template is _MISSING or kinds.type_name(template) != name:
            template = kinds.make_empty(kinds.known_class(name, path))
        elif dataclasses.is_dataclass(template):
            template = copy.copy(template)  # may be frozen and shared
        self._made[node["number"]] = template
        known = kinds.attributes_of(template)
        for attribute, value in self._attributes(node["attributes"], known, path).items():
            object.__setattr__(template, attribute, value)
        for attribute in set(known) - set(node["attributes"]):
            object.__delattr__(template, attribute)
        return template

    def _stateful(self, node: Node, template: Any, path: str) -> Any:
        if not kinds.is_stateful(template):
            made = "nothing" if template is _MISSING else f"a {kinds.type_name(template)}"
            raise CheckpointMismatch(f"{path} was a {node['stateful']}, but init_optimizer_state makes {made}.")
        self._made[node["number"]] = template
        own = kinds.attributes_of(template)
        for name, item in node["attributes"].items():
            if name in own or "keep" not in item:  # code that is made later will be made again
                setattr(template, name, self._decode(item, own.get(name, _MISSING), _join(path, name)))
        load_state(template, self._dict(node["state_dict"], state_of(template), path), path)
        return template


def load_state(template: Any, state: Any, path: str) -> None:
    """Let an object take its state, and see to it that it has taken all of it as it was."""
    groups = list(getattr(template, "param_groups", []))
    try:
        template.load_state_dict(state)
    except Exception as error:
        raise CheckpointMismatch(f"{path}: {type(template).__name__}.load_state_dict failed: {error}") from error
    for index, group in enumerate(groups):  # wrapped optimizers and schedulers hold on to these very dicts
        group.clear()
        group.update(template.param_groups[index])
        template.param_groups[index] = group
    # torch.optim casts state to the type and device of the parameter: bfloat16 moments would become float32.
    _put_back(state_of(template), state)
    if differing := _put_back(state_of(template), state):
        raise CheckpointMismatch(f"{path}/{differing} does not keep the type that it had when it was saved.")


def _put_back(current: Any, wanted: Any, path: str = "") -> str:
    """Replace what differs in type or device from what was loaded; returns the place of the last such value."""
    differing = ""
    for key, item in wanted.items():
        known = current.get(key)
        if isinstance(item, dict) and isinstance(known, dict):
            differing = _put_back(known, item, _join(path, key)) or differing
        elif known is not item and _placement(known) != _placement(item):
            current[key], differing = item, _join(path, key)
    return differing


def _placement(value: Any) -> tuple[str, str]:
    return str(getattr(value, "dtype", None)), str(getattr(value, "device", None))


def encode(value: Any, codecs: dict[str, LeafCodec]) -> tuple[Node, Arrays]:
    """One tree by itself."""
    return Encoder(codecs).tree(value)


def decode(node: Node, arrays: Arrays, template: Any, codecs: dict[str, LeafCodec]) -> Any:
    """The value of one tree by itself."""
    return Decoder(codecs).tree(node, arrays, template)
