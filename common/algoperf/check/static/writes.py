"""Assignments into what is not the submission's own (rules 4.1 to 4.3, 7.2, 8.1, 11.3, 11.4), and the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from algoperf.check.findings import Finding
from algoperf.check.static.analysis import Analysis, shown
from algoperf.check.static.names import EVAL_RESULTS, INPUT_QUEUE, MODEL, MODEL_PART, TRAIN_STATE, WORKLOAD
from algoperf.check.static.uses import below

_BY_OWNER: tuple[tuple[str, str, str], ...] = (
    # Where something is written, the rule, and what that means.
    (WORKLOAD, "4.1", "the workload"),
    (TRAIN_STATE, "11.4", "train_state"),
    (EVAL_RESULTS, "11.4", "eval_results"),
    (INPUT_QUEUE, "4.1", "the input queue"),
    ("os.environ", "8.1", "the environment"),
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
_HOOKS = (
    "register_forward_hook", "register_forward_pre_hook", "register_module_forward_hook", "register_full_backward_hook",
    "register_module_forward_pre_hook", "add_module", "register_module", "register_parameter", "register_buffer",
)  # fmt: skip
_LAUNCHER = ("GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")
_READS = ("os.getenv", "os.environ.get", "os.environb", "os.environ")
_OPEN_PLACES = ("sys.path", "sys.stdout", "sys.stderr", "warnings", "logging")
_SHARED_TABLES = ("sys.modules", "algoperf.", "builtins")
_COMPILERS = ("torch.compile", "jax.jit", "jax.pmap")


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
    for call in analysis.project.calls():
        yield from _hook(analysis, call)
        yield from _compiler(analysis, call)
    for node in analysis.project.nodes(ast.Call, ast.Subscript, ast.Name, ast.Attribute):
        yield from _environment(analysis, node)


def _writes(analysis: Analysis) -> Iterator[_Write]:
    for node in analysis.project.nodes(ast.Attribute, ast.Subscript):
        if isinstance(node.ctx, (ast.Store, ast.Del)):  # type: ignore[attr-defined]
            member = node.attr if isinstance(node, ast.Attribute) else analysis.text(node.slice)  # type: ignore[attr-defined]
            yield _Write(node, node.value, member, isinstance(node, ast.Subscript))  # type: ignore[attr-defined]
    for node in analysis.project.nodes(ast.AugAssign):
        if isinstance(node.target, ast.Name):  # type: ignore[attr-defined]
            yield _Write(node, node.target, None)  # type: ignore[attr-defined]
    for call in analysis.project.calls():
        name = analysis.names(call.func) or ""
        if name in _SETTERS and len(call.args) >= 2:
            yield _Write(call, call.args[0], analysis.text(call.args[1]))
        elif name.startswith(_PATCHES) and call.args:
            yield _Write(call, call.args[0], None)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in _CHANGING:
            yield _Write(call, call.func.value, None, is_item=True)


def _into(analysis: Analysis, write: _Write) -> Iterator[Finding]:
    owner = analysis.names(write.owner)
    if isinstance(write.node, ast.AugAssign) and owner != "os.environ":
        return  # `x += 1` gives x another value
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
        return  # in JAX, the tree of parameters, which is the submission's to make
    if write.member == _DROPOUT_RATE and owner == MODEL_PART:
        return
    changes = write.member is None or write.member in _MODEL_BEHAVIOUR
    if changes:
        yield analysis.finding("4.3", write.node, f"{shown(write.node)} changes what the model computes.")
    else:
        yield analysis.finding("4.6", write.node, f"{shown(write.node)} may change what the model computes.")


def _is_foreign(analysis: Analysis, node: ast.expr, owner: str) -> bool:
    """Whether an object is a module or class of an imported package, not something that was made from one."""
    if owner.startswith("<") or ":" in owner:
        return False
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name):
        kinds = {binding.kind for binding in analysis.project.bindings(root)}
        return bool(kinds & {"import", "value"})
    return isinstance(root, (ast.Call, ast.Subscript))  # sys.modules["x"], importlib.import_module("x")


def _hook(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    name = analysis.names(call.func) or ""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _HOOKS:
        yield analysis.finding("4.6", call, f"{shown(call)}.")
    elif name.startswith(("torch.nn.Dropout", "flax.linen.Dropout", "torch.nn.functional.dropout")):
        yield analysis.finding("4.6", call, f"{shown(call)} adds dropout.")


def _compiler(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    name = analysis.names(call.func)
    wraps = [analysis.names(part) for part in call.args] if name == "functools.partial" else []
    if name not in _COMPILERS and not set(wraps) & set(_COMPILERS):
        return
    for keyword in call.keywords:
        if keyword.arg in ("options", "compiler_options"):
            yield analysis.finding("7.3", call, f"{shown(call)}.")
        elif keyword.arg in ("backend", "mode") and analysis.text(keyword.value) not in ("default", "inductor"):
            yield analysis.finding("7.5", call, f"{shown(call)}.")


def _environment(analysis: Analysis, node: ast.AST) -> Iterator[Finding]:
    """Reads of the environment, but for the launcher's variables."""
    if isinstance(node, ast.Call):
        if analysis.names(node.func) not in ("os.getenv", "os.environ.get"):
            return
        variable = analysis.text(node.args[0]) if node.args else None
    elif isinstance(node, ast.Subscript):
        if analysis.names(node.value) != "os.environ" or not isinstance(node.ctx, ast.Load):
            return
        variable = analysis.text(node.slice)
    else:
        if analysis.names(node) not in ("os.environ", "os.environb") or _is_looked_into(analysis, node):
            return
        yield analysis.finding("8.2", node, "The environment as a whole is read.")
        return
    if variable not in _LAUNCHER:
        yield analysis.finding("8.2", node, f"{shown(node)} reads the environment.")


def _is_looked_into(analysis: Analysis, node: ast.AST) -> bool:
    """Whether a single variable is asked for, or the name is that of an import or assignment."""
    parent = analysis.project.parent(node)
    if isinstance(node.ctx, ast.Store):  # type: ignore[attr-defined]
        return True
    if isinstance(parent, ast.Compare):
        others = [analysis.text(side) for side in (parent.left, *parent.comparators) if side is not node]
        return set(others) <= set(_LAUNCHER)
    if isinstance(parent, ast.Attribute):
        return parent.attr in ("get", *_CHANGING)
    return isinstance(parent, (ast.Subscript, ast.Assign, ast.AugAssign))
