"""Finds names of workloads, tables by workload, and large blocks of data (rules 1.1, 1.9, 1.10, 2.1, 2.4)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown

_TABLES = (ast.Dict, ast.List, ast.Set, ast.Tuple)
_NAMED = (ast.Attribute, ast.ClassDef, ast.FunctionDef, ast.Name, ast.arg, ast.keyword)
_COMMON_WORDS = {"digits"}
_TEXTS = (ast.Constant, ast.BinOp, ast.JoinedStr, ast.Call)
_ASKING = ("startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch", "__contains__", "__eq__")
_SYSTEM = ("/proc", "/sys/")
_LONGEST_TEXT = 8000
_MOST_NUMBERS = 500
_FEWEST_NAMES = 2


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    tables = [node for node in analysis.project.nodes(ast.Dict) if _is_by_workload(analysis, node)]
    keys: set[ast.AST] = {key for table in tables for key in table.keys if key}
    for table in tables:
        if table not in analysis.batch_code:
            yield analysis.finding("2.1", table, f"A table by workload: {shown(table)}.")
    documentation = _documentation(analysis)
    for node in analysis.project.nodes(*_TEXTS):
        if node not in documentation and node not in keys and node not in analysis.batch_code:
            yield from _text(analysis, node)
    yield from _identifiers(analysis)
    yield from _blocks(analysis, documentation)


def _is_by_workload(analysis: Analysis, node: ast.Dict) -> bool:
    """Whether keys are names of workloads."""
    keys = [analysis.text(key) for key in node.keys if key is not None]
    return any(key is not None and analysis.facts.is_name(key) for key in keys)


def _text(analysis: Analysis, node: ast.AST) -> Iterator[Finding]:
    text = analysis.text(node)
    if text is None:
        return
    if text.startswith(_SYSTEM) and not _is_text_part(analysis, node):
        yield analysis.finding("1.9", node, f"{text!r} says how the process was called.")
    if _names_a_workload(analysis, node, text):
        yield analysis.finding("1.1", node, f"{text!r} names a workload, outside get_batch_size.")
    elif len(analysis.facts.names & set(re.findall(r"\w+", text))) >= _FEWEST_NAMES:
        yield analysis.finding("1.10", node, f"The text {shown(node)} contains several names of workloads.")


def _identifiers(analysis: Analysis) -> Iterator[Finding]:
    """Identifiers that contain a workload's name: `wmt_rate`, `dict(wmt=...)`, `Rates.wmt`."""
    telling, reported = analysis.facts.families - _COMMON_WORDS, set()
    for node in analysis.project.nodes(*_NAMED):
        name = next((value for field in ("name", "arg", "attr", "id") if (value := getattr(node, field, None))), "")
        place = (analysis.project.home(node), name)
        if not telling & set(re.findall(r"[a-z0-9]+", name.lower())) or node in analysis.batch_code:
            continue
        if place not in reported:
            reported.add(place)
            yield analysis.finding("1.10", node, f"`{name}` contains the name of a workload.")


def _names_a_workload(analysis: Analysis, node: ast.AST, text: str) -> bool:
    if analysis.facts.is_name(text):
        return True
    words = re.findall(r"[a-z0-9]+", text.lower())
    return any(analysis.facts.is_family(word) for word in words) and _is_asked(analysis, node)


def _is_text_part(analysis: Analysis, node: ast.AST) -> bool:
    """Whether a string is part of a longer one whose value is also known."""
    parent = analysis.project.parent(node)
    return parent is not None and isinstance(parent, _TEXTS) and analysis.text(parent) is not None


def _is_asked(analysis: Analysis, node: ast.AST) -> bool:
    """Whether a string is compared with another, or searched for in it."""
    parent = analysis.project.parent(node)
    while isinstance(parent, (ast.Tuple, ast.List, ast.Set)):
        node, parent = parent, analysis.project.parent(parent)
    if isinstance(parent, (ast.Compare, ast.MatchValue)):
        return True
    return (
        isinstance(parent, ast.Call)
        and node in parent.args
        and isinstance(parent.func, ast.Attribute)
        and parent.func.attr in _ASKING
    )


def _documentation(analysis: Analysis) -> set[ast.AST]:
    """Strings that are statements: docstrings, and strings used as comments."""
    return {node.value for node in analysis.project.nodes(ast.Expr) if isinstance(node.value, ast.Constant)}


def _blocks(analysis: Analysis, documentation: set[ast.AST]) -> Iterator[Finding]:
    for text in analysis.project.nodes(ast.Constant):
        if text not in documentation and isinstance(text.value, (str, bytes)) and len(text.value) > _LONGEST_TEXT:
            yield analysis.finding("2.4", text, f"A text of {len(text.value):,} characters.")
    for node in analysis.project.nodes(*_TABLES):
        if isinstance(analysis.project.parent(node), _TABLES):
            continue
        numbers = sum(
            isinstance(part, ast.Constant) and isinstance(part.value, (int, float)) for part in ast.walk(node)
        )
        if numbers > _MOST_NUMBERS:
            yield analysis.finding("2.4", node, f"A table of {numbers:,} numbers.")
