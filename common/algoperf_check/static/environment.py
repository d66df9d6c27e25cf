"""Finds reads of environment variables (rule 8.2). `writes` finds changes to them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown

_LAUNCHER = ("GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")
_READERS = ("os.getenv", "os.environ.get", "os.environb.get")
_WHOLE = ("os.environ", "os.environb")
_MEMBERS_SEEN_ELSEWHERE = ("clear", "get", "pop", "popitem", "setdefault", "update")


def check(analysis: Analysis) -> Iterator[Finding]:
    """Find reads of variables that are not the launcher's, and of all variables at once."""
    for call in analysis.project.calls():
        if analysis.names(call.func) in _READERS:
            yield from _variable(analysis, call, call.args[0] if call.args else call)
    for node in analysis.project.nodes(ast.Subscript):
        if analysis.names(node.value) in _WHOLE and isinstance(node.ctx, ast.Load):
            yield from _variable(analysis, node, node.slice)
    for place in analysis.project.nodes(ast.Name, ast.Attribute):
        if analysis.names(place) in _WHOLE and not _is_looked_into(analysis, place):
            yield analysis.finding("8.2", place, "The whole environment is read.")


def _variable(analysis: Analysis, node: ast.AST, name: ast.expr) -> Iterator[Finding]:
    if analysis.text(name) not in _LAUNCHER:
        yield analysis.finding("8.2", node, f"{shown(node)} reads the environment.")


def _is_looked_into(analysis: Analysis, node: ast.expr) -> bool:
    """Whether a node only reads a single variable, or is the name in an import or assignment."""
    parent = analysis.project.parent(node)
    if isinstance(node.ctx, ast.Store):  # type: ignore[attr-defined]
        return True
    if isinstance(parent, ast.Compare):
        others = [analysis.text(side) for side in (parent.left, *parent.comparators) if side is not node]
        return set(others) <= set(_LAUNCHER)
    if isinstance(parent, ast.Attribute):
        return parent.attr in _MEMBERS_SEEN_ELSEWHERE
    return isinstance(parent, (ast.Subscript, ast.Assign, ast.AugAssign))
