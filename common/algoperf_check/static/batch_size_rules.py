"""Section 3: what code of `get_batch_size` may do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.batch_size import ROOTS

_CHANGING = ("add", "append", "extend", "insert", "setdefault", "update", "__setitem__")
_SETTERS = ("object.__setattr__", "setattr")


def check(analysis: Analysis) -> Iterator[Finding]:
    """Check that code of `get_batch_size` returns only integers and has no side effects."""
    for function in analysis.batch_code.functions():
        for node in ast.walk(function):
            yield from _left_behind(analysis, node)
            if function.name in ROOTS and isinstance(node, ast.Return):
                yield from _returned(analysis, node)
    for table in analysis.batch_code.tables():
        for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
            name = None if key is None else analysis.text(key)
            if name is not None and analysis.facts.is_name(name) and not _may_be_size(analysis, value):
                yield analysis.project.finding("3.1", table, f"The entry for {name!r} is {shown(value)}.")


def _may_be_size(analysis: Analysis, node: ast.expr) -> bool:
    """Whether an expression may be an integer: all but other literals may."""
    value = analysis.constants.definition(node) or node
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int) and not isinstance(value.value, bool)
    return not isinstance(value, (ast.Dict, ast.JoinedStr, ast.List, ast.Set, ast.Tuple))


def _returned(analysis: Analysis, node: ast.Return) -> Iterator[Finding]:
    if node.value is None:
        yield analysis.project.finding("3.1", node, "It returns nothing.")
    elif not _may_be_size(analysis, node.value):
        yield analysis.project.finding("3.1", node, f"It returns {shown(node.value)}.")


def _left_behind(analysis: Analysis, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        yield analysis.project.finding("3.2", node, f"It assigns to {', '.join(node.names)}, which outlives the call.")
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    for target in targets:
        if isinstance(target, (ast.Attribute, ast.Subscript)) and _outlives(analysis, target.value):
            what = f"It assigns to {ast.unparse(target)}, which outlives the call."
            yield analysis.project.finding("3.2", node, what)
    if isinstance(node, ast.Call) and analysis.names(node.func) in _SETTERS:
        yield analysis.project.finding("3.2", node, "It sets an attribute, which outlives the call.")
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _CHANGING
        and _outlives(analysis, node.func.value)
    ):
        yield analysis.project.finding(
            "3.2", node, f"It changes {ast.unparse(node.func.value)}, which outlives the call."
        )


def _outlives(analysis: Analysis, node: ast.AST) -> bool:
    """Whether an object is not the function's own."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if not isinstance(node, ast.Name):
        return True
    bindings = analysis.project.home(node).scopes.of[node].bindings.get(node.id, [])
    return not bindings or any(binding.kind == "parameter" for binding in bindings)
