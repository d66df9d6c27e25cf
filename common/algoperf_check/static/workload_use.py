"""What a submission uses of the workload: class, repr, members, splits (rules 1.2, 1.8, 1.9, 4.7, 5.1, 5.2)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import GETTERS, INPUT_QUEUE, MODEL, TRAIN_STATE, WORKLOAD

_EVALUATION = ("_build_input_queue", "_eval_model_on_split", "_eval_iters", "eval_model")
_TEXT_FORMS = ("ascii", "dir", "format", "id", "pickle.dumps", "repr", "str", "type", "vars")
_MODEL_FORMS = ("repr", "str", "type")
_LOGGING = "append_scalar_metrics"
_SPLITS = ("eval_train", "test", "validation")
_INTERFACE = ("algoperf.spec.Workload", "algorithmic_efficiency.spec.Workload")
_ITERATION = ("__contains__", "__getitem__", "__iter__", "__len__", "__next__")


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    for attribute in analysis.project.nodes(ast.Attribute):
        yield from _member(analysis, attribute)
    for call in analysis.project.calls():
        yield from _call(analysis, call)
    for node in analysis.project.nodes(ast.Constant, ast.JoinedStr, ast.BinOp):
        text = analysis.text(node)
        if text in _EVALUATION:
            yield analysis.finding("5.1", node, f"{text!r} is the harness's; here it is spelled as text.")
    for part in analysis.project.nodes(ast.FormattedValue):
        if analysis.names(part.value) == WORKLOAD:
            yield analysis.finding("1.2", part, "The workload is turned into text.")


def _member(analysis: Analysis, node: ast.Attribute) -> Iterator[Finding]:
    owner, member = analysis.names(node.value) or "", node.attr
    if member in _EVALUATION:
        yield analysis.finding("5.1", node, f"{shown(node)} is the harness's.")
    elif owner == MODEL and member == "__class__":
        yield analysis.finding("1.2", node, f"{shown(node)} reveals which model this is.")
    elif owner in (INPUT_QUEUE, TRAIN_STATE) and member.startswith(("_", "gi_")) and member not in _ITERATION:
        yield analysis.finding("1.9", node, f"{shown(node)} is the harness's.")
    elif owner == WORKLOAD or owner.startswith(f"{WORKLOAD}."):
        if member.startswith("__") and not isinstance(node.ctx, (ast.Store, ast.Del)):
            yield analysis.finding("1.2", node, f"{shown(node)} reveals which workload this is.")
        elif owner == f"{WORKLOAD}.metrics_logger" and member != _LOGGING:
            yield analysis.finding("1.8", node, f"{shown(node)}: only {_LOGGING} may be called.")
        elif owner == WORKLOAD and member not in analysis.facts.members and isinstance(node.ctx, ast.Load):
            yield analysis.finding("1.8", node, f"{shown(node)} is not a public member of spec.Workload.")


def _call(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    name = analysis.names(call.func) or ""
    subjects = [analysis.names(argument) or "" for argument in call.args]
    first = subjects[0] if subjects else ""
    if name in ("isinstance", "issubclass") and first == WORKLOAD and len(call.args) == 2:
        if analysis.names(call.args[1]) not in _INTERFACE:
            yield analysis.finding("1.2", call, f"{shown(call)} asks for the workload's class.")
    elif name in _TEXT_FORMS or name.startswith("inspect."):
        if first == WORKLOAD or (first.startswith(f"{WORKLOAD}.") and name not in _TEXT_FORMS):
            yield analysis.finding("1.2", call, f"{shown(call)} reveals which workload this is.")
        elif first == MODEL and name in _MODEL_FORMS:
            yield analysis.finding("1.2", call, f"{shown(call)} reveals which model this is.")
    elif name in ("hasattr", *GETTERS) and len(call.args) >= 2 and first in (WORKLOAD, MODEL):
        yield from _dynamic_member(analysis, call, first)
    for keyword in call.keywords:
        if keyword.arg == "split" and analysis.text(keyword.value) in _SPLITS:
            yield analysis.finding("5.2", call, f"The split {analysis.text(keyword.value)!r} is asked for.")
    if name.startswith(f"{WORKLOAD}."):
        for argument in call.args:
            if analysis.text(argument) in _SPLITS:
                yield analysis.finding("5.2", call, f"The split {analysis.text(argument)!r} is asked for.")


def _dynamic_member(analysis: Analysis, call: ast.Call, owner: str) -> Iterator[Finding]:
    """`getattr` and `hasattr` on the workload or the model."""
    member = analysis.text(call.args[1])
    if member is None:
        yield analysis.finding("4.7", call, f"{shown(call)}: the member is only known at run time.")
    elif owner == WORKLOAD and member not in _EVALUATION:
        if member.startswith("__"):
            yield analysis.finding("1.2", call, f"{shown(call)} reveals which workload this is.")
        elif member not in analysis.facts.members:
            yield analysis.finding("1.8", call, f"{shown(call)}: not a public member of spec.Workload.")
