"""What the text of a Python file says, without importing it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_BINDERS = {"eval", "exec", "globals", "locals", "setattr", "vars"}
"""Functions with which code can give its module names that are not written out."""


def read_tree(file: Path) -> ast.Module | None:
    """A file's syntax tree; None if it has none: then it cannot be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import warns of invalid escapes
            return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bound_names(tree: ast.Module) -> dict[str, int] | None:
    """The names that a module gets, imported ones too, with their lines; None if not all are written out."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):  # a function may bind it
            found.update(dict.fromkeys(node.names, node.lineno))
        if _may_bind_more(node):
            return None
    for node in _outside_functions(tree):
        if isinstance(node, ast.alias):
            found[node.asname or node.name.partition(".")[0]] = node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = node.lineno
        elif isinstance(name := getattr(node, "name", None), str):
            found[name] = node.lineno  # type: ignore[attr-defined]
    return found


def own_names(tree: ast.Module) -> list[str]:
    """The functions and classes that a module defines, and what it calls the results of calls and lambdas."""
    named = [node.name for node in tree.body if isinstance(node, _SCOPES[:3])]
    made = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Call, ast.Lambda))
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return sorted({*named, *made})


def _may_bind_more(node: ast.AST) -> bool:
    """Whether a node may give the module names that are not written out."""
    if isinstance(node, ast.Name):
        return node.id in _BINDERS
    if isinstance(node, ast.Attribute):
        return node.attr == "__dict__" or (node.attr == "modules" and getattr(node.value, "id", "") == "sys")
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" or (node.module, alias.name) == ("sys", "modules") for alias in node.names)
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but those inside functions and classes, whose names are not the module's."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)
