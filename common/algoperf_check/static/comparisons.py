"""Finds comparisons that distinguish workloads by their numbers, shapes or metrics (rules 1.3 to 1.7)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.constants import UNKNOWN
from algoperf_check.static.facts import is_number
from algoperf_check.static.names import WORKLOAD

_NUMBERS = {
    f"{WORKLOAD}.{name}"
    for name in (
        "eval_batch_size", "eval_period_time_sec", "max_allowed_runtime_sec", "num_eval_train_examples",
        "num_test_examples", "num_train_examples", "num_validation_examples", "step_hint", "test_target_value",
        "train_mean", "train_stddev", "validation_target_value",
    )
}  # fmt: skip
_SHAPES = ("element_size", "nbytes", "numel", "shape", "shape_tuple")
_COLLECTIONS = (
    "leaves",
    "tree_leaves",
    "named_parameters",
    "parameters",
    "param_shapes",
    "flatten",
    "tree_flatten",
    "state_dict",
    "modules",
    "buffers",
)
_HASHES = ("binascii.crc", "hashlib.", "xxhash.", "zlib.adler", "zlib.crc")
_LOOKUPS = (
    "bisect.bisect", "bisect.bisect_left", "bisect.bisect_right", "math.isclose", "numpy.digitize", "numpy.interp",
    "numpy.isclose", "numpy.searchsorted",
)  # fmt: skip
_TEXT_FORMS = ("format", "hash", "repr", "str")
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
_LARGEST_GENERIC = 16


@dataclass(frozen=True)
class _Question:
    """A comparison with constants, at a position in the code."""

    node: ast.AST
    sides: tuple[ast.expr, ...]
    by_equality: bool


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    for question in _questions(analysis):
        values = [value for side in question.sides for value in _flat(analysis.constants(side))]
        subjects = [side for side in question.sides if not _is_constant(analysis, side)]
        yield from _numbers(analysis, question, values, subjects)
        if question.by_equality:
            yield from _shapes(analysis, question, values, subjects)
            yield from _metrics(analysis, question, values, subjects)
    yield from _choices(analysis)
    for call in analysis.project.calls():
        name = analysis.names(call.func) or ""
        if name in _TEXT_FORMS and call.args and _is_choice(analysis, call):
            yield analysis.finding(
                "1.4", call, f"{shown(call)}: a number of the workload as text distinguishes workloads."
            )
        if (name == "hash" or name.startswith(_HASHES)) and any(_is_shape(analysis, part) for part in call.args):
            yield analysis.finding("1.6", call, f"A fingerprint of shapes: {shown(call)}.")


def _questions(analysis: Analysis) -> Iterator[_Question]:
    for node in analysis.project.nodes(ast.Compare, ast.Match, ast.Subscript):
        if node in analysis.batch_code:
            continue
        if isinstance(node, ast.Compare):
            equality = any(isinstance(operator, _EQUALITY) for operator in node.ops)
            yield _Question(node, (node.left, *node.comparators), equality)
        elif isinstance(node, ast.Match):
            parts = [part for case in node.cases for part in ast.walk(case.pattern)]
            values = [part.value for part in parts if isinstance(part, ast.MatchValue)]
            yield _Question(node, (node.subject, *values), True)
        elif isinstance(node, ast.Subscript) and isinstance(analysis.constants(node.value), dict):
            yield _Question(node, (node.slice, node.value), True)
    for call in analysis.project.calls():
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr == "get" and call.args:
            if isinstance(analysis.constants(function.value), dict):
                yield _Question(call, (call.args[0], function.value), True)
        elif analysis.names(function) in _LOOKUPS and call not in analysis.batch_code:
            yield _Question(call, tuple(call.args), True)


def _choices(analysis: Analysis) -> Iterator[Finding]:
    """Choices by a number of the workload without comparison: an index into constants, or arithmetic as condition."""
    for node in analysis.project.nodes(ast.Subscript, ast.If, ast.IfExp):
        if isinstance(node, ast.Subscript):
            asked = isinstance(analysis.constants(node.value), tuple) and not isinstance(node.slice, ast.Slice)
            subject: ast.expr = node.slice
        else:
            subject = node.test  # type: ignore[attr-defined]
            asked = isinstance(subject, ast.BinOp)
        if asked and node not in analysis.batch_code and _is_of_workload(analysis, subject):
            yield analysis.finding("1.4", subject, f"{shown(subject)} distinguishes workloads.")


def _is_choice(analysis: Analysis, call: ast.Call) -> bool:
    """Whether a number of the workload is turned into text for a purpose other than printing."""
    around = [part for part in analysis.project.enclosing(call) if isinstance(part, ast.expr)]
    return _is_of_workload(analysis, call.args[0]) and any(
        isinstance(part, (ast.Attribute, ast.Compare, ast.Subscript)) for part in around
    )


def _is_constant(analysis: Analysis, node: ast.AST) -> bool:
    return not any(value is UNKNOWN for value in _flat(analysis.constants(node)))


def _flat(value: Any) -> Iterator[Any]:
    """The members of nested collections; for dicts, the keys."""
    if isinstance(value, (tuple, dict)):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _numbers(analysis: Analysis, question: _Question, values: list[Any], subjects: list[ast.expr]) -> Iterator[Finding]:
    known = [value for value in values if analysis.facts.tells(value)]
    asked = subjects if all(_is_of_workload(analysis, subject) for subject in subjects) else []
    inside = [analysis.constants(part) for subject in asked for part in analysis.within(subject, ast.Constant)]
    if asked:
        known += [value for value in (*values, *inside) if is_number(value) and value in analysis.facts.numbers]
        if [value for value in known if abs(value) > _LARGEST_GENERIC or value != int(value)]:
            yield analysis.finding("1.3", question.node, f"{shown(question.node)} asks which workload this is.")
        elif any(is_number(value) and (abs(value) > _LARGEST_GENERIC or value != int(value)) for value in values):
            yield analysis.finding("1.4", question.node, f"{shown(question.node)} distinguishes workloads.")
    elif known and question.by_equality and isinstance(question.node, (ast.Compare, ast.Match)):
        what = f"{known[0]:,} in {shown(question.node)} is a number of one workload."
        yield analysis.finding("1.3", question.node, what)


def _is_of_workload(analysis: Analysis, node: ast.expr) -> bool:
    """Whether an expression depends only on numbers of the workload, not on others such as the step."""
    found = False
    for part in analysis.within(node, ast.Name, ast.Attribute):
        name = analysis.names(part)
        if name in _NUMBERS:
            found = True
        elif isinstance(part, ast.Name) and _varies(analysis, part, name):
            return False
    return found


def _varies(analysis: Analysis, node: ast.Name, name: str | None) -> bool:
    """Whether a name refers to something other than the workload, a package or a constant."""
    if name is not None and (name == WORKLOAD or not name.startswith("<")):
        return False
    return analysis.constants.definition(node) is None


def _shapes(analysis: Analysis, question: _Question, values: list[Any], subjects: list[ast.expr]) -> Iterator[Finding]:
    sizes = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if not any(size > _LARGEST_GENERIC for size in sizes):
        return
    if any(_is_shape(analysis, subject) for subject in subjects):
        known = [size for size in sizes if size in analysis.facts.dimensions]
        rule, what = ("1.5", f"has the size {known[0]:,} of a workload") if known else ("1.6", "compares fixed sizes")
        yield analysis.finding(rule, question.node, f"{shown(question.node)} {what}.")


def _is_shape(analysis: Analysis, node: ast.AST) -> bool:
    """Whether an expression is made from shapes or numbers of parameters."""
    for part in analysis.within(node, ast.Attribute):
        assert isinstance(part, ast.Attribute)
        if part.attr in (*_SHAPES, *_COLLECTIONS):
            return True
        if part.attr == "size" and isinstance(analysis.project.parent(part), (ast.Call, ast.Compare)):
            return True
    return False


def _metrics(analysis: Analysis, question: _Question, values: list[Any], subjects: list[ast.expr]) -> Iterator[Finding]:
    if any(analysis.names(subject) == f"{WORKLOAD}.target_metric_name" for subject in subjects):
        rising = {value for value in values if value in analysis.facts.rising_metrics}
        if rising and rising != analysis.facts.rising_metrics:
            what = f"{shown(question.node)} distinguishes some rising metrics from others."
            yield analysis.finding("1.7", question.node, what)
