"""Checks calls by their arguments: files, hooks, compiler options, names made at run time.

Rules 2.3, 4.5 to 4.7, 6.2, 7.3, 7.5 and 11.5.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import GETTERS
from algoperf_check.static.uses import IMPORTERS, below

_METHODS: dict[str, tuple[str, ...]] = {
    # Methods of paths, on any object: other classes rarely use these names.
    "2.3": ("read_bytes", "read_text"),
    "11.5": ("write_bytes", "write_text"),
}
_OPEN = ("codecs.open", "gzip.open", "io.open", "open", "os.fdopen", "os.open")
_HOOKS = (
    "register_forward_hook", "register_forward_pre_hook", "register_module_forward_hook", "register_full_backward_hook",
    "register_module_forward_pre_hook", "add_module", "register_module", "register_parameter", "register_buffer",
)  # fmt: skip
_DROPOUT = ("flax.linen.Dropout", "torch.nn.Dropout", "torch.nn.functional.dropout")
_WEAK = ("weakref.ref", "weakref.proxy", "weakref.WeakMethod")
_COMPILERS = ("torch.compile", "jax.jit", "jax.pmap")
_TELLING = ("algoperf", "builtins", "gc", "importlib", "inspect", "os", "sys", "time")


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    for call in analysis.project.calls():
        yield from _files(analysis, call)
        yield from _hook(analysis, call)
        yield from _compiler(analysis, call)
        yield from _weak(analysis, call)
        yield from _made_up(analysis, call)


def _files(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    function = call.func
    for rule, methods in _METHODS.items():
        if isinstance(function, ast.Attribute) and function.attr in methods:
            yield analysis.finding(rule, call, f"{shown(call)}.")
    opens = analysis.names(function) in _OPEN
    of_path = isinstance(function, ast.Attribute) and function.attr == "open" and not opens
    if opens or of_path:
        place = 0 if of_path else 1
        given = [key.value for key in call.keywords if key.arg == "mode"] or call.args[place : place + 1]
        mode = analysis.text(given[0]) if given else "r"
        if of_path and (mode is None or not set(mode) <= set("rwxabt+")):
            return  # some other method called `open`
        writes = mode is None or set(mode) & set("wax+")
        yield analysis.finding("11.5" if writes else "2.3", call, f"{shown(call)}.")


def _hook(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    name = analysis.names(call.func) or ""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _HOOKS:
        yield analysis.finding("4.6", call, f"{shown(call)}.")
    elif name.startswith(_DROPOUT):
        yield analysis.finding("4.6", call, f"{shown(call)} adds dropout.")


def _weak(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    name = analysis.names(call.func)
    if name in _WEAK and (len(call.args) > 1 or call.keywords):
        yield analysis.finding("6.2", call, f"{shown(call)} is called back when the object is gone.")


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


def _made_up(analysis: Analysis, call: ast.Call) -> Iterator[Finding]:
    """Names of modules and members that are only known at run time, and functions made from code."""
    function = analysis.names(call.func)
    if function in IMPORTERS and call.args and analysis.text(call.args[0]) is None:
        yield analysis.finding("4.7", call, f"{shown(call)}: the module is only known at run time.")
    elif function in GETTERS and len(call.args) >= 2 and analysis.text(call.args[1]) is None:
        if below(analysis.names(call.args[0]) or "", _TELLING):
            yield analysis.finding("4.7", call, f"{shown(call)}: the member is only known at run time.")
    elif function == "types.FunctionType":
        yield analysis.finding("4.5", call, f"{shown(call)}.")
