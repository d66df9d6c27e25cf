"""Explains a missing setting: which names there are, the nearest, and where they are defined."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from algoperf.errors import did_you_mean

_MOST_KEYS = 60  # more would be a table of data, not settings
_POINT = "hyperparameters, which come from the search space"
_NO_HYPERPARAMETERS = (
    "Under self-tuning there are no hyperparameters: the argument is None. Define them in the submission, such as "
    "SETTINGS, and read settings_of(hyperparameters, SETTINGS) from algoperf.blocks.self_tuning; or train with "
    "--ruleset external."
)


def explain_missing_key(error: BaseException) -> str | None:
    """One sentence about a KeyError or AttributeError of settings or another small mapping; None for other errors."""
    trace = _last(error.__traceback__)
    if trace is None:
        return None
    if isinstance(error, AttributeError):
        return _explain_attribute(error, trace)
    if not isinstance(error, KeyError) or len(error.args) != 1 or not isinstance(error.args[0], str):
        return None
    names = _visible(trace.tb_frame)
    for name in _names_in(_failing_expression(trace)):
        keys = _keys(names.get(name))
        if keys is not None and error.args[0] not in keys:
            return _sentence(error.args[0], keys, _origin(names[name], name, trace))
    return None


def _explain_attribute(error: AttributeError, trace: TracebackType) -> str | None:
    fields = _fields(error.obj)
    if fields is not None and error.name:
        return _sentence(error.name, fields, _POINT)
    expression = _failing_expression(trace)
    named = isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name) and expression.value.id
    return _NO_HYPERPARAMETERS if error.obj is None and named == "hyperparameters" else None


def _sentence(given: str, keys: list[str], where: str) -> str:
    return f"There is no {given!r} in {where}.{did_you_mean(given, keys)} It has: {', '.join(keys) or 'nothing'}."


def _last(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _visible(frame: FrameType) -> dict[str, Any]:
    return {**frame.f_globals, **frame.f_locals}


def _failing_expression(trace: TracebackType) -> ast.expr | None:
    """The expression in which a frame failed; None if its source is not there."""
    code = trace.tb_frame.f_code
    position = next(islice(code.co_positions(), trace.tb_lasti // 2, None), None)
    if position is None or None in position:
        return None
    first, last, begin, end = (value or 0 for value in position)
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    lines[-1] = lines[-1][:end]  # first: the two may be one line
    lines[0] = lines[0][begin:]
    try:
        return ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:
        return None


def _names_in(expression: ast.expr | None) -> Iterator[str]:
    """Variables that an expression reads, what is looked into first."""
    if isinstance(expression, ast.Subscript):
        yield from _names_in(expression.value)
    elif expression is not None:
        yield from (node.id for node in ast.walk(expression) if isinstance(node, ast.Name))


def _fields(value: Any) -> list[str] | None:
    """The names of a trial's hyperparameters; None for anything else."""
    is_point = isinstance(value, tuple) and type(value).__name__ == "Hyperparameters"
    return list(getattr(value, "_fields", ())) if is_point else None


def _keys(value: Any) -> list[str] | None:
    """The keys of hyperparameters, or of a small mapping; None for anything else."""
    if isinstance(value, Mapping) and len(value) <= _MOST_KEYS and all(isinstance(key, str) for key in value):
        return list(value)
    return _fields(value)


def _origin(value: Any, name: str, trace: TracebackType) -> str:
    """What the value is called where it is defined, and where that is."""
    if _fields(value) is not None:
        return _POINT
    for module in [*sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and (found := _called(value, module)):
            return f"{found} of {Path(file).name}"
    points = [_fields(names.get("hyperparameters")) for names in _all_visible(trace)]
    return _POINT if _keys(value) in points else name


def _called(value: Any, module: Any) -> str | None:
    known = vars(module) if hasattr(module, "__dict__") else {}
    return next((name for name, other in list(known.items()) if other is value and not name.startswith("__")), None)


def _all_visible(trace: TracebackType) -> Iterator[dict[str, Any]]:
    frame: FrameType | None = trace.tb_frame
    while frame is not None:
        yield _visible(frame)
        frame = frame.f_back
