"""Points people to fixed numbers that may tell workloads apart (rule 1.12). Only plain forms are seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import WORKLOAD

_NUMBERS = {
    f"{WORKLOAD}.{name}"
    for name in (
        "eval_batch_size", "eval_period_time_sec", "max_allowed_runtime_sec", "num_eval_train_examples",
        "num_test_examples", "num_train_examples", "num_validation_examples", "step_hint", "test_target_value",
        "train_mean", "train_stddev", "validation_target_value",
    )
}  # fmt: skip
_METRIC = f"{WORKLOAD}.target_metric_name"
_LOWER_IS_BETTER = {"loss", "wer", "ppl"}
_SIZES = (
    "leaves", "named_parameters", "nbytes", "numel", "param_shapes", "parameters", "shape", "shape_tuple", "size",
    "tree_leaves",
)  # fmt: skip
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
_LARGEST_GENERIC = 16
_FEWEST_KEYS = 2


def check(analysis: Analysis) -> Iterator[Finding]:
    """Find comparisons with fixed numbers, and tables by numbers."""
    for node in analysis.project.nodes(ast.Compare, ast.Match, ast.Dict, ast.Subscript, ast.Call):
        if _may_tell(analysis, node) and node not in analysis.batch_code:
            yield analysis.finding("1.12", node, f"A person reads this: {shown(node)}.")


def _may_tell(analysis: Analysis, node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        by_equality = any(isinstance(operator, _EQUALITY) for operator in node.ops)
        return _compares(analysis, [node.left, *node.comparators], by_equality)
    if isinstance(node, ast.Match):
        parts = [part for case in node.cases for part in ast.walk(case.pattern)]
        values = [part.value for part in parts if isinstance(part, ast.MatchValue)]
        return _compares(analysis, [node.subject, *values], by_equality=True)
    if isinstance(node, ast.Dict):
        return sum(isinstance(key, ast.Constant) and _is_specific(key) for key in node.keys) >= _FEWEST_KEYS
    if isinstance(node, ast.Subscript):
        return _is_of_workload(analysis, node.slice)
    is_get = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
    return is_get and any(_is_of_workload(analysis, argument) for argument in node.args[:1])  # type: ignore[attr-defined]


def _compares(analysis: Analysis, sides: list[ast.expr], by_equality: bool) -> bool:
    sides = [analysis.constants.definition(side) or side for side in sides]
    fixed = [part for side in sides if not _names(side) for part in ast.walk(side) if isinstance(part, ast.Constant)]
    if any(analysis.names(side) == _METRIC for side in sides):
        texts = {part.value for part in fixed if isinstance(part.value, str)}
        return by_equality and not texts <= _LOWER_IS_BETTER
    if not any(map(_is_specific, fixed)):
        return False
    return any(_is_of_workload(analysis, side) or (by_equality and _is_of_sizes(side)) for side in sides)


def _is_specific(constant: ast.Constant) -> bool:
    value = constant.value
    return isinstance(value, (int, float)) and (abs(value) > _LARGEST_GENERIC or value != int(value))


def _names(node: ast.AST) -> list[ast.Name]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Name)]


def _is_of_workload(analysis: Analysis, node: ast.expr) -> bool:
    """Whether an expression depends on numbers of the workload and on nothing that varies, such as the step."""
    known = [analysis.names(name) or "<" for name in _names(node)]
    if not all(name.startswith(WORKLOAD) or not name.startswith("<") for name in known):
        return False
    return any(analysis.names(part) in _NUMBERS for part in ast.walk(node))


def _is_of_sizes(node: ast.expr) -> bool:
    """Whether an expression asks for shapes or numbers of parameters."""
    return any(isinstance(part, ast.Attribute) and part.attr in _SIZES for part in ast.walk(node))
