"""Finds assignments to what is not the submission's own (rules 4.1 to 4.3, 4.6, 7.2, 8.1, 11.3, 11.4)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import EVAL_RESULTS, INPUT_QUEUE, MODEL, MODEL_PART, TRAIN_STATE, WORKLOAD
from algoperf_check.static.uses import below, is_listed

_BY_OWNER: tuple[tuple[str, str, str], ...] = (
    # The owner of the assigned member, the rule, and the owner in words.
    (WORKLOAD, "4.1", "the workload"),
    (TRAIN_STATE, "11.4", "train_state"),
    (EVAL_RESULTS, "11.4", "eval_results"),
    (INPUT_QUEUE, "4.1", "the input queue"),
    ("os.environ", "8.1", "the environment"),
    ("os.environb", "8.1", "the environment"),
    ("time", "11.3", "the clock"),
    ("datetime", "11.3", "the clock"),
    ("jax.config", "7.2", "settings of JAX"),
    ("torch.backends", "7.2", "settings of PyTorch"),
    ("torch._dynamo", "7.2", "settings of PyTorch"),
    ("torch._inductor", "7.2", "settings of PyTorch"),
)
_CHANGING = (
    "__delattr__", "__delitem__", "__setattr__", "__setitem__", "add", "append", "clear", "discard", "extend", "insert",
    "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
)  # fmt: skip
_SETTERS = ("delattr", "object.__delattr__", "object.__setattr__", "setattr", "type.__setattr__", "operator.setitem")
_PATCHES = ("unittest.mock.patch", "mock.patch")
_MODEL_BEHAVIOUR = ("__call__", "__class__", "_call_impl", "_modules", "_parameters", "forward")
_DROPOUT_RATE = "p"
_OF_DDP = ("require_backward_grad_sync", "require_forward_param_sync")  # when processes exchange gradients
_OPEN_PLACES = ("sys.path", "sys.stdout", "sys.stderr", "warnings", "logging")
_SHARED_TABLES = ("sys.modules", "algoperf.", "builtins")


@dataclass(frozen=True)
class _Write:
    """An assignment to, or deletion of, member `member` of `owner` (None: some member)."""

    node: ast.AST
    owner: ast.expr
    member: str | None
    is_item: bool = False


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    for write in _writes(analysis):
        yield from _into(analysis, write)


def _writes(analysis: Analysis) -> Iterator[_Write]:
    for attribute in analysis.project.nodes(ast.Attribute):
        if isinstance(attribute.ctx, (ast.Store, ast.Del)):
            yield _Write(attribute, attribute.value, attribute.attr)
    for item in analysis.project.nodes(ast.Subscript):
        if isinstance(item.ctx, (ast.Store, ast.Del)):
            yield _Write(item, item.value, analysis.text(item.slice), is_item=True)
    for statement in analysis.project.nodes(ast.AugAssign):
        if isinstance(statement.target, ast.Name):
            yield _Write(statement, statement.target, None)
    for call in analysis.project.calls():
        name = analysis.names(call.func) or ""
        if is_listed(name):
            continue
        if name in _SETTERS and len(call.args) >= 2:
            yield _Write(call, call.args[0], analysis.text(call.args[1]))
        elif name.startswith(_PATCHES) and call.args:
            yield _Write(call, call.args[0], None)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in _CHANGING:
            yield _Write(call, call.func.value, None, is_item=True)


def _into(analysis: Analysis, write: _Write) -> Iterator[Finding]:
    owner = analysis.names(write.owner)
    if isinstance(write.node, ast.AugAssign) and owner != "os.environ":
        return  # `x += 1` rebinds x
    if owner is None:
        if isinstance(write.node, ast.Call) and (analysis.names(write.node.func) or "").startswith(_PATCHES):
            yield analysis.finding("4.2", write.node, f"{shown(write.node)} replaces what others use.")
        return
    owner = owner.removesuffix(".__dict__").removesuffix(".__class__")
    full = f"{owner}.{write.member}" if write.member else owner
    for place, rule, what in _BY_OWNER:
        if below(full, (place,)):
            yield analysis.finding(rule, write.node, f"{shown(write.node)} changes {what}.")
            return
    if owner in (MODEL, MODEL_PART) or owner.startswith(f"{MODEL}."):
        yield from _into_model(analysis, write, owner)
        return
    if write.is_item:
        foreign = owner.startswith(_SHARED_TABLES)
    else:
        foreign = _is_foreign(analysis, write.owner, owner) and not below(full, _OPEN_PLACES)
    if foreign:
        yield analysis.finding("4.2", write.node, f"{shown(write.node)} changes {owner}, which others use, too.")


def _into_model(analysis: Analysis, write: _Write, owner: str) -> Iterator[Finding]:
    if write.is_item and owner == MODEL:
        return  # in JAX, the parameter tree, which the submission may build itself
    if (write.member == _DROPOUT_RATE and owner == MODEL_PART) or write.member in _OF_DDP:
        return
    changes = write.member is None or write.member in _MODEL_BEHAVIOUR
    if changes:
        yield analysis.finding("4.3", write.node, f"{shown(write.node)} changes what the model computes.")
    else:
        yield analysis.finding("4.6", write.node, f"{shown(write.node)} may change what the model computes.")


def _is_foreign(analysis: Analysis, node: ast.expr, owner: str) -> bool:
    """Whether an object is a module or class of an imported package, not an object made from one."""
    if owner.startswith("<") or ":" in owner:
        return False
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name):
        kinds = {binding.kind for binding in analysis.project.bindings(root)}
        return bool(kinds & {"import", "value"})
    return isinstance(root, (ast.Call, ast.Subscript))  # sys.modules["x"], importlib.import_module("x")
