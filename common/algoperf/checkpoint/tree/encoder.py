"""Turns any state into a JSON tree and a dictionary of named arrays; see `checkpoint.tree`."""

from __future__ import annotations

import base64
import collections.abc
import enum
import types
from typing import Any

import numpy as np

from algoperf.checkpoint.tree import kinds
from algoperf.checkpoint.tree.leaves import Arrays, LeafCodec

Node = dict[str, Any]


class Encoder:
    """Encodes one or more trees that may share objects."""

    def __init__(self, codecs: dict[str, LeafCodec]) -> None:
        self._codecs = codecs
        self._arrays: Arrays = {}
        self._numbers: dict[int, int] = {}  # id -> number
        self._memory: dict[Any, tuple[int, str]] = {}  # an array's memory and layout -> its number and name
        self._owners: dict[int, int] = {}  # address of an allocation -> number
        self._kept: list[Any] = []  # keeps temporary objects alive: an id must not be used twice

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
        for name, kind in kinds.SEQUENCES.items():
            if isinstance(value, kind):
                return {name: [self._node(item, kinds.join(path, index)) for index, item in enumerate(value)]}
        if kinds.is_stateful(value) and (state := kinds.state_of(value)) is not None:
            return self._stateful(value, state, path)
        if isinstance(value, types.FunctionType):
            # A closure's data lives in its cells, and some functions have attributes.
            cells = self._attributes(kinds.cell_contents(value), path)
            own = self._attributes(kinds.attributes_of(value), kinds.join(path, "attributes"))
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
            key_node = self._node(key, kinds.join(path, f"key_{index}"))
            pairs.append([key_node, self._node(item, kinds.join(path, key if plain else index))])
        return {"dict": pairs, "kind": kinds.type_name(value)}

    def _stateful(self, value: Any, state: dict[Any, Any], path: str) -> Node:
        # Submissions set attributes of their own on optimizers, which state_dict does not know. A module's
        # own attributes (such as its mode) are the model function's business; hooks are code.
        own = {} if kinds.is_module(value) else kinds.attributes_of(value)
        own = {name: item for name, item in own.items() if name not in state and not name.endswith("_hooks")}
        attributes = self._attributes(own, kinds.join(path, "attributes"))  # in the order of decoding
        return {
            "stateful": kinds.type_name(value),
            "attributes": attributes,
            "state_dict": self._dict(state, path),
        }

    def _attributes(self, attributes: dict[str, Any], path: str) -> dict[str, Node]:
        return {name: self._node(item, kinds.join(path, name)) for name, item in attributes.items()}
