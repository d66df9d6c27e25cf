"""Values of constant expressions, computed without running the code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from algoperf_check.static.project import Project


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
_LONGEST = 10_000
_WIDTH = re.compile(r"%[^a-z%]*\d|{[^}]*:")  # formats that can make strings of any length
_MOST_BITS = 64

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_TEXT_METHODS = {
    "capitalize", "casefold", "decode", "format", "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace",
    "rstrip", "strip", "swapcase", "title", "upper",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {"chr": chr, "float": float, "int": int, "str": str}
_COLLECTIONS = ("frozenset", "list", "set", "sorted", "tuple")


class Constants:
    """Folds constants: literals, their sums and formats, and names that are assigned once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[ast.AST, Any] = {}
        self._active: set[ast.AST] = set()

    def __call__(self, node: ast.AST) -> Any:
        """The value, or UNKNOWN. Collections become tuples (dicts stay dicts); their members may be UNKNOWN."""
        if node in self._known:
            return self._known[node]
        if node in self._active:
            return UNKNOWN
        self._active.add(node)
        try:
            value = self._fold(node)
        except Exception:
            value = UNKNOWN
        self._active.discard(node)
        self._known[node] = UNKNOWN if isinstance(value, (str, bytes)) and len(value) > _LONGEST else value
        return self._known[node]

    def _fold(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return tuple(self(part) for part in node.elts)
        if isinstance(node, ast.Dict):
            return {self(key): self(value) for key, value in zip(node.keys, node.values, strict=True) if key}
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
            value = self(node.operand)
            return UNKNOWN if value is UNKNOWN else _SIGNS[type(node.op)](value)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node)
        if isinstance(node, (ast.NamedExpr, ast.FormattedValue)):
            return self(node.value)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        value_node = self.definition(node)
        return UNKNOWN if value_node is None else self(value_node)

    def definition(self, node: ast.AST) -> ast.expr | None:
        """The expression assigned to a name, or to an attribute of a file of the submission, if it is assigned once."""
        project = self._project
        if isinstance(node, ast.Name):
            bindings = project.bindings(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            bindings = self._members(project.bindings(node.value), node)
        else:
            return None
        if len(bindings) != 1:
            return None
        binding = bindings[0]
        if binding.kind == "import":
            found = project.local(binding.target, binding.level, project.home(binding.node))
            if found is None or len(found[1]) != 1:
                return None
            bindings = found[0].scopes.module.find(found[1][0])
            binding = bindings[0] if len(bindings) == 1 else binding
        return binding.node if binding.kind == "value" and isinstance(binding.node, ast.expr) else None

    def _members(self, bindings: list, node: ast.Attribute) -> list:
        """Bindings of an attribute of an imported file, or of the enclosing class (`self.NAME`)."""
        if len(bindings) != 1:
            return []
        binding = bindings[0]
        if binding.kind == "import":
            found = self._project.local(binding.target, binding.level, self._project.home(binding.node))
            return found[0].scopes.module.find(node.attr) if found is not None and not found[1] else []
        if binding.kind == "parameter":
            owner = self._project.parent(binding.node)
            if isinstance(owner, ast.ClassDef) and owner.body:
                return self._project.home(owner).scopes.of[owner.body[0]].bindings.get(node.attr, [])
        return []

    def _operation(self, node: ast.BinOp) -> Any:
        left, right = self(node.left), self(node.right)
        if UNKNOWN in (left, right):
            return UNKNOWN
        if isinstance(node.op, ast.Pow):
            return left**right if abs(right) <= _MOST_BITS else UNKNOWN
        if isinstance(node.op, (ast.Mult, ast.LShift)) and any(
            not isinstance(value, (int, float)) or abs(value) > 2**_MOST_BITS for value in (left, right)
        ):
            return UNKNOWN
        if isinstance(left, (str, bytes)) and isinstance(node.op, ast.Mod) and _WIDTH.search(str(left)):
            return UNKNOWN
        return _OPERATORS[type(node.op)](left, right)

    def _joined(self, node: ast.JoinedStr) -> Any:
        parts = [self(part) for part in node.values]
        plain = all(not isinstance(part, ast.FormattedValue) or part.format_spec is None for part in node.values)
        return "".join(map(str, parts)) if plain and UNKNOWN not in parts else UNKNOWN

    def _subscript(self, node: ast.Subscript) -> Any:
        base = self(node.value)
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(node.slice, ast.Slice):
            bounds = [self(part) if part else None for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            return UNKNOWN if UNKNOWN in bounds else base[slice(*bounds)]
        index = self(node.slice)
        return UNKNOWN if index is UNKNOWN else base[index]

    def _call(self, node: ast.Call) -> Any:
        if node.keywords:
            return UNKNOWN
        arguments = [self(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TEXT_METHODS:
            text = self(node.func.value)
            if isinstance(text, bytes) and node.func.attr == "decode" and not arguments:
                return text.decode()
            if isinstance(text, str) and not _has_unknown(arguments) and not _WIDTH.search(text):
                return getattr(text, node.func.attr)(*arguments)
        if isinstance(node.func, ast.Name) and not self._project.bindings(node.func):
            if node.func.id in _FUNCTIONS and not _has_unknown(arguments):
                return _FUNCTIONS[node.func.id](*arguments)
            if node.func.id in _COLLECTIONS and len(arguments) == 1 and isinstance(arguments[0], tuple):
                return arguments[0]
        return UNKNOWN


def _has_unknown(values: list[Any]) -> bool:
    return any(
        value is UNKNOWN or (isinstance(value, tuple) and any(part is UNKNOWN for part in value)) for value in values
    )
