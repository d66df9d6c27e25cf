"""Names of workloads in code, tables by workload, and large blocks of data (rules 1.1, 1.9, 2.1, 2.4)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from algoperf.check.findings import Finding
from algoperf.check.static.analysis import Analysis, shown
from algoperf.check.static.facts import is_number

_TEXTS = (ast.Constant, ast.BinOp, ast.JoinedStr, ast.Call, ast.Subscript)
_ASKING = ("startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch", "__contains__", "__eq__")
_SYSTEM = ("/proc", "/sys/")
_LONGEST_TEXT = 8000
_MOST_NUMBERS = 500
_FEWEST_KEYS = 2


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    tables = [node for node in analysis.project.nodes(ast.Dict) if _is_by_workload(analysis, node)]
    keys: set[ast.AST] = {key for table in tables for key in table.keys if key is not None}
    for table in tables:
        if table not in analysis.batch_code:
            first = next(key for key in table.keys if key is not None)
            yield analysis.finding(
                "2.1", table, f"A table by workload: {shown(table)} (its first key: {shown(first)})."
            )
    documentation = _documentation(analysis)
    for node in analysis.project.nodes(*_TEXTS):
        if node in documentation or node in keys or node in analysis.batch_code:
            continue
        text = analysis.text(node)
        if text is not None and text.startswith(_SYSTEM) and not _is_text_part(analysis, node):
            yield analysis.finding("1.9", node, f"{text!r} tells how the process was called.")
        if text is not None and _names_a_workload(analysis, node, text):
            yield analysis.finding("1.1", node, f"{text!r} names a workload, outside get_batch_size.")
    yield from _blocks(analysis, documentation)


def _is_by_workload(analysis: Analysis, node: ast.Dict) -> bool:
    """Whether a table's keys are names of workloads, or numbers that tell workloads apart."""
    keys = [analysis.constants(key) for key in node.keys if key is not None]
    names = [key for key in keys if isinstance(key, str) and analysis.facts.is_name(key)]
    return bool(names) or sum(analysis.facts.tells(key) for key in keys) >= _FEWEST_KEYS


def _names_a_workload(analysis: Analysis, node: ast.AST, text: str) -> bool:
    if analysis.facts.is_name(text):
        return True
    words = re.findall(r"[a-z0-9]+", text.lower())
    return any(analysis.facts.is_family(word) for word in words) and _is_asked(analysis, node)


def _is_text_part(analysis: Analysis, node: ast.AST) -> bool:
    """Whether a text is part of a longer one whose value is known, too."""
    parent = analysis.project.parent(node)
    return parent is not None and isinstance(parent, _TEXTS) and analysis.text(parent) is not None


def _is_asked(analysis: Analysis, node: ast.AST) -> bool:
    """Whether a text is compared with, or looked for in, another."""
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
    """Texts that are statements: docstrings, and text used as a comment."""
    return {node.value for node in analysis.project.nodes(ast.Expr) if isinstance(node.value, ast.Constant)}


def _blocks(analysis: Analysis, documentation: set[ast.AST]) -> Iterator[Finding]:
    for text in analysis.project.nodes(ast.Constant):
        if text not in documentation and isinstance(text.value, (str, bytes)) and len(text.value) > _LONGEST_TEXT:
            yield analysis.finding("2.4", text, f"A text of {len(text.value):,} characters.")
    for node in analysis.project.nodes(ast.Dict, ast.List, ast.Set, ast.Tuple):
        if isinstance(analysis.project.parent(node), (ast.Dict, ast.List, ast.Set, ast.Tuple)):
            continue
        numbers = sum(isinstance(part, ast.Constant) and is_number(part.value) for part in ast.walk(node))
        if numbers > _MOST_NUMBERS:
            yield analysis.finding("2.4", node, f"A table of {numbers:,} numbers.")
