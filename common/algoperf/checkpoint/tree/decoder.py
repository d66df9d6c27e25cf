"""Rebuilds a state from a JSON tree, arrays and a template; see `checkpoint.tree`."""

from __future__ import annotations

import base64
import collections
import collections.abc
import copy
import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from algoperf.checkpoint.tree import kinds
from algoperf.checkpoint.tree.encoder import Node
from algoperf.checkpoint.tree.leaves import LeafCodec, Memory
from algoperf.errors import CheckpointMismatch

_MISSING = object()


class Decoder:
    """Decodes the trees of one encoder, in the same order.

    Raises CheckpointMismatch, which names the place that differs.
    """

    def __init__(self, codecs: dict[str, LeafCodec]) -> None:
        self._codecs = codecs
        self._arrays: Mapping[str, np.ndarray] = {}
        self._made: dict[int, Any] = {}  # number -> value
        self._filled: dict[int, int] = {}  # address of an allocation -> what was put there, to keep it alive
        self._placed: dict[int, list[tuple[Memory, int, str]]] = {}
        self._taken: dict[int, int] = {}  # id of a part of the template -> number of what it has become
        self._kept: list[Any] = []  # ids and addresses must not be used twice
        self._handlers: dict[str, Callable[[Node, Any, str], Any]] = {
            "array": self._array, "bytes": self._bytes, "complex": self._complex, "dict": self._dict,
            "enum": self._enum, "function": self._function, "generator": self._generator, "keep": self._keep,
            "method": self._method, "namedtuple": self._namedtuple, "object": self._object, "same": self._same,
            "stateful": self._stateful, "unsaved": self._unsaved, "value": self._value,
            **dict.fromkeys(kinds.SEQUENCES, self._sequence),
        }  # fmt: skip

    def tree(self, node: Node, arrays: Mapping[str, np.ndarray], template: Any) -> Any:
        """The value that was encoded, made from `template`. Each array is asked for once, when its turn comes."""
        self._arrays = arrays
        return self._decode(node, template, "")

    def _decode(self, node: Node, template: Any, path: str) -> Any:
        number = node.get("number")
        if number is not None and template is not _MISSING:
            self._kept.append(template)
            if self._taken.setdefault(id(template), number) != number:
                template = self._apart(node, template)
        value = self._handlers[next(iter(node), "")](node, template, path)
        self._kept.append(value)
        if number is not None:
            self._made[number] = value
        return value

    @staticmethod
    def _apart(node: Node, template: Any) -> Any:
        """A template that can be filled without changing its earlier uses."""
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
            template = _MISSING  # its memory was given to something else
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
            self._made[node.get("number", -1)] = items  # registered before it is filled: it may contain itself
        for index, (key_node, item) in enumerate(node["dict"]):
            key = self._decode(key_node, keys[index] if index < len(keys) else _MISSING, path)
            items[key] = self._decode(item, known.get(key, _MISSING), kinds.join(path, key))
        return kinds.restored_mapping(node["kind"], items, template, path)

    def _sequence(self, node: Node, template: Any, path: str) -> Any:
        name = next(iter(node))
        kind = kinds.SEQUENCES[name]
        known = list(template) if isinstance(template, kind) and name not in ("set", "frozenset") else []
        known += [_MISSING] * (len(node[name]) - len(known))
        items: Any = [] if name != "deque" else collections.deque(maxlen=getattr(template, "maxlen", None))
        if name in ("list", "deque"):
            self._made[node["number"]] = items
        for index, item in enumerate(node[name]):
            items.append(self._decode(item, known[index], kinds.join(path, index)))
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
            name: self._decode(item, known.get(name, _MISSING), kinds.join(path, name)) for name, item in nodes.items()
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
        name, given = node["object"], template
        if template is _MISSING or kinds.type_name(template) != name:
            template = kinds.make_empty(kinds.known_class(name, path))
        elif dataclasses.is_dataclass(template):
            template = copy.copy(template)  # may be frozen and shared
        self._made[node["number"]] = template
        known = kinds.attributes_of(template)
        values = self._own_attributes(node, known, path)
        if kinds.type_name(given) == name and kinds.unchanged(values, known):
            return given  # such as a module whose methods are known by its identity
        for attribute, value in values.items():
            object.__setattr__(template, attribute, value)
        for attribute in set(known) - set(node["attributes"]):
            object.__delattr__(template, attribute)
        return template

    def _own_attributes(self, node: Node, known: dict[str, Any], path: str) -> dict[str, Any]:
        """An object's attributes, without code that is made only later: it will be made again."""
        nodes = {
            name: item for name, item in node["attributes"].items() if not (_is_code(item) and known.get(name) is None)
        }
        if any(kinds.is_special(name) for name in nodes):
            raise CheckpointMismatch(f"{path} has attributes that are not data: {', '.join(nodes)}.")
        return self._attributes(nodes, known, path)

    def _stateful(self, node: Node, template: Any, path: str) -> Any:
        state = kinds.state_of(template) if kinds.is_stateful(template) else None
        if state is None:
            made = "nothing" if template is _MISSING else f"a {kinds.type_name(template)}"
            raise CheckpointMismatch(f"{path} was a {node['stateful']}, but init_optimizer_state makes {made}.")
        self._made[node["number"]] = template
        own = kinds.attributes_of(template)
        for name, item in self._own_attributes(node, own, path).items():
            setattr(template, name, item)
        load_state(template, self._dict(node["state_dict"], state, path), path)
        return template


def _is_code(node: Node) -> bool:
    return "keep" in node or ("function" in node and not node["cells"])


def load_state(template: Any, state: Any, path: str) -> None:
    """Load an object's state and verify that every value kept its type and device."""
    groups = list(getattr(template, "param_groups", []))
    defaults = getattr(template, "defaults", None)
    known_defaults = dict(defaults) if isinstance(defaults, dict) else {}
    try:
        template.load_state_dict(state)
    except Exception as error:
        raise CheckpointMismatch(f"{path}: {type(template).__name__}.load_state_dict failed: {error}") from error
    if isinstance(defaults, dict):  # torch.optim gives older and user-defined optimizers an additional default
        defaults.clear()
        defaults.update(known_defaults)
    for index, group in enumerate(groups):  # wrapped optimizers and schedulers keep references to these dicts
        loaded, template.param_groups[index] = template.param_groups[index], group
        if loaded is not group:
            group.clear()
            group.update(loaded)
    # torch.optim casts state to the type and device of the parameter: bfloat16 moments would become float32.
    _put_back(kinds.state_of(template) or {}, state)
    if differing := _put_back(kinds.state_of(template) or {}, state):
        raise CheckpointMismatch(f"{path}/{differing} does not keep the type that it had when it was saved.")


def _put_back(current: Any, wanted: Any, path: str = "") -> str:
    """Replace values whose type or device differs from what was loaded; returns the place of the last one."""
    differing = ""
    for key, item in wanted.items():
        known = current.get(key)
        if isinstance(item, dict) and isinstance(known, dict):
            differing = _put_back(known, item, kinds.join(path, key)) or differing
        elif known is not item and _placement(known) != _placement(item):
            current[key], differing = item, kinds.join(path, key)
    return differing


def _placement(value: Any) -> tuple[str, str]:
    return str(getattr(value, "dtype", None)), str(getattr(value, "device", None))
