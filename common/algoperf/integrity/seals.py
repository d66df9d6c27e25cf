"""Remembers code and settings by identity, and later reports what was replaced."""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# The harness and the cubes: all their functions, classes, methods and constants are sealed.
HARNESS = ("algoperf", "algoperf_check", "algoperf_cubes")
# Not sealed: only submissions call these, and torch wraps `step` of an optimizer class on its first use.
_BLOCKS = "algoperf.blocks"
# Libraries that evaluation, clock and records use: their functions and classes are sealed.
LIBRARIES = (
    "builtins", "time", "math", "json", "csv", "os", "hashlib", "signal", "threading", "numpy", "safetensors.numpy",
    "jax", "jax.numpy", "jax.lax", "jax.nn", "jax.random", "flax.linen",
    "torch", "torch.nn", "torch.nn.functional", "torch.cuda", "torch.distributed",
)  # fmt: skip
_CLASSES = {"threading": ("Thread",), "torch": ("Tensor",), "torch.nn": ("Module",), "flax.linen": ("Module",)}
_MAY_CHANGE = {"builtins": {"print", "_"}}  # `print`: logging by rank; `_`: interactive sessions
_WRAPPERS = (property, staticmethod, classmethod)
_MADE_WHEN_READ = frozenset({"__annotations__"})  # Python adds it to a class without annotations on first access
_MISSING = object()
_FUNCTION_PARTS = ("__code__", "__defaults__", "__kwdefaults__")


class Seal:
    """The state of a set of modules and objects at one moment."""

    def __init__(self) -> None:
        self._names: list[tuple[str, Mapping[str, Any], str, Any]] = []
        self._functions: list[tuple[str, types.FunctionType, tuple[Any, ...]]] = []
        self._methods: list[tuple[str, Any, type, frozenset[str]]] = []
        self._added: list[tuple[str, Mapping[str, Any], frozenset[str], frozenset[str]]] = []
        self._seen: set[int] = set()

    def modules(self) -> Seal:
        """Seal the loaded modules of the harness and of the libraries; returns self."""
        # A copy: looking at a module may import others.
        for name, module in sys.modules.copy().items():
            if module is None or name.startswith(_BLOCKS):
                continue
            if name.split(".")[0] in HARNESS:
                self._namespace(name, vars(module), deep=True)
                self._complete(name, vars(module), hides=vars(builtins))
            elif name in LIBRARIES:
                self._namespace(name, vars(module), deep=False)
                for cls in _CLASSES.get(name, ()):
                    self._class(f"{name}.{cls}", getattr(module, cls), deep=False)
        return self

    def _class(self, path: str, cls: type, deep: bool) -> None:
        self._namespace(path, vars(cls), deep)
        self._complete(path, vars(cls), hides={name: None for base in cls.__mro__[1:] for name in vars(base)})

    def _complete(self, path: str, names: Mapping[str, Any], hides: Mapping[str, Any]) -> None:
        """Record that no name may be added that hides one of `hides`."""
        self._added.append((path, names, frozenset(names), frozenset(hides) - _MADE_WHEN_READ))

    def _namespace(self, path: str, names: Mapping[str, Any], deep: bool) -> None:
        skipped = _MAY_CHANGE.get(path, set())
        for name, value in list(names.items()):
            if name in skipped or not _is_code_or_constant(name, value):
                continue
            self._names.append((f"{path}.{name}", names, name, value))
            self._inside(f"{path}.{name}", value, deep)

    def _inside(self, path: str, value: Any, deep: bool) -> None:
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        function = _function_of(value)
        if function is not None:
            self._functions.append((path, function, _parts(function)))
        elif deep and type(value) is dict:
            self._names += [(f"{path}[{key!r}]", value, key, item) for key, item in value.items()]
        elif deep and issubclass(type(value), type) and value.__module__.split(".")[0] in HARNESS:
            self._class(path, value, deep)

    def fields(self, path: str, value: Any, but: Iterable[str] = ()) -> None:
        """Seal the attributes of an object, by identity."""
        names = vars(value)
        self._names += [(f"{path}.{name}", names, name, item) for name, item in names.items() if name not in set(but)]
        self.methods(path, value)

    def methods(self, path: str, value: Any) -> None:
        """Seal the class of an object, and record that no new attribute may hide a method of the class."""
        self._methods.append((path, value, type(value), frozenset(_hidden(value))))

    def changes(self) -> Iterator[str]:
        """The paths of everything that has changed."""
        for path, names, name, value in self._names:
            found = names.get(name, _MISSING)
            if found is not value and not _replaced_by_its_library(path, found):
                yield path
        for path, function, parts in self._functions:
            if any(new is not old for new, old in zip(_parts(function), parts, strict=True)):
                yield f"{path} (its code)"
        for path, names, known, hides in self._added:
            yield from (f"{path}.{name}" for name in (names.keys() - known) & hides)
        for path, value, cls, hidden in self._methods:
            if type(value) is not cls:
                yield f"{path} (its class)"
            else:
                yield from (f"{path}.{name}" for name in _hidden(value) - hidden)


def _is_code_or_constant(name: str, value: Any) -> bool:
    special = name.startswith("__") and name.endswith("__")
    if special:
        return callable(value) and name not in ("__builtins__", "__class__", "__loader__")
    return callable(value) or issubclass(type(value), _WRAPPERS) or name.strip("_").isupper()


def _function_of(value: Any) -> types.FunctionType | None:
    # By type, not by isinstance, which reads `__class__`: some objects warn when any attribute is read.
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    elif type(value) is property:
        value = value.fget
    return value if type(value) is types.FunctionType else None


def _replaced_by_its_library(path: str, found: Any) -> bool:
    """Whether the library itself replaced its function, as torch does when its compiler is loaded."""
    library = path.split(".")[0]
    if library in HARNESS or type(found) is not types.FunctionType:
        return False
    home = getattr(sys.modules.get(library), "__file__", None)
    return home is not None and found.__code__.co_filename.startswith(os.path.dirname(home) + os.sep)


def _parts(function: types.FunctionType) -> tuple[Any, ...]:
    return tuple(getattr(function, part) for part in _FUNCTION_PARTS)


def _hidden(value: Any) -> set[str]:
    """Attributes of an object that hide a callable of its class."""
    cls = type(value)
    return {name for name in getattr(value, "__dict__", {}) if callable(getattr(cls, name, None))}
