"""Where a file binds which names, and to what: the part of Python's scoping that the checks need."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Kind = Literal["import", "value", "item", "parameter", "definition", "unknown"]


@dataclass(frozen=True, eq=False)
class Binding:
    """One binding of a name to a value.

    Attributes:
      kind: import: `target` is its dotted name, `level` the number of leading dots. value: `node` is the expression.
        item: the name stands for each element of the expression `node`. parameter: `node` is the function.
        definition: `node` is the function or class. unknown: anything else.
    """

    kind: Kind
    node: ast.AST
    target: str = ""
    level: int = 0


@dataclass(eq=False)
class Scope:
    """The names bound in one module, class or function.

    Attributes:
      outer: scopes of the names declared global or nonlocal here.
      stars: modules, with leading dots, imported with `*`.
    """

    node: ast.AST
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=lambda: defaultdict(list))
    outer: dict[str, Scope] = field(default_factory=dict)
    stars: list[tuple[str, int]] = field(default_factory=list)

    def find(self, name: str) -> list[Binding]:
        """The bindings that a name refers to here; none for builtins. Classes are visible in their own body only."""
        scope: Scope | None = self.outer.get(name, self)
        while scope is not None:
            visible = scope is self or not isinstance(scope.node, ast.ClassDef)
            if visible and name in scope.bindings:
                return scope.bindings[name]
            scope = scope.parent
        return []


class Scopes(ast.NodeVisitor):
    """The scopes of a file.

    Attributes:
      module: the outermost scope.
      of: the scope in which each node is evaluated.
      parent: the parent of each node.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.module = self._current = Scope(tree, None)
        self.of: dict[ast.AST, Scope] = {}
        self.parent: dict[ast.AST, ast.AST] = {}
        self.visit(tree)

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node's ancestors, innermost first."""
        while node in self.parent:
            node = self.parent[node]
            yield node

    def visit(self, node: ast.AST) -> None:
        """Record scope and parent of a node, and visit its children."""
        self.of[node] = self._current
        for child in ast.iter_child_nodes(node):
            self.parent[child] = node
        super().visit(node)

    def _bind(self, name: str, binding: Binding) -> None:
        self._current.outer.get(name, self._current).bindings[name].append(binding)

    def _bind_target(self, target: ast.expr, value: ast.expr, kind: Kind = "value") -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, Binding(kind, value))
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, value, "unknown")
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = value.elts if kind == "value" and isinstance(value, (ast.Tuple, ast.List)) else []
            if len(values) == len(target.elts):
                for part, part_value in zip(target.elts, values, strict=True):
                    self._bind_target(part, part_value)
            else:
                for part in target.elts:
                    self._bind_target(part, value, "item" if kind == "item" else "unknown")

    # --- statements that bind ----------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b` binds `a`, `import a.b as c` binds `c` to `a.b`."""
        for alias in node.names:
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            self._bind(alias.asname or target, Binding("import", node, target))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a import b as c` binds `c` to `a.b`."""
        for alias in node.names:
            if alias.name == "*":
                self._current.stars.append((node.module or "", node.level))
                continue
            target = f"{node.module}.{alias.name}" if node.module else alias.name
            self._bind(alias.asname or alias.name, Binding("import", node, target, node.level))

    def visit_Assign(self, node: ast.Assign) -> None:
        """Bind every target to the value."""
        for target in node.targets:
            self._bind_target(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Bind the target if there is a value."""
        if node.value is not None:
            self._bind_target(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Bind the target to an unknown value."""
        self._bind_target(node.target, node.value, "unknown")
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Bind like an assignment."""
        self._bind_target(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Bind the target to each element."""
        self._bind_target(node.target, node.iter, "item")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Bind like `for`, but in the enclosing function, which is enough here."""
        self._bind_target(node.target, node.iter, "item")
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        """Bind the target to an unknown value."""
        if node.optional_vars is not None:
            self._bind_target(node.optional_vars, node.context_expr, "unknown")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        """Resolve the names in the module."""
        self._current.outer.update(dict.fromkeys(node.names, self.module))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Resolve the names in the enclosing scope."""
        assert self._current.parent is not None
        self._current.outer.update(dict.fromkeys(node.names, self._current.parent))

    # --- scopes --------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Bind the name; decorators, defaults and annotations are evaluated outside, the body inside."""
        self._bind(node.name, Binding("definition", node))
        for outside in (*node.decorator_list, node.args, *filter(None, [node.returns])):
            self.visit(outside)
        self._enter(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Treat like a function."""
        self.visit(node.args)
        self._enter(node, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Bind the name; bases are evaluated outside."""
        self._bind(node.name, Binding("definition", node))
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        self._enter(node, node.body)

    def _enter(self, node: Function | ast.ClassDef, body: list[ast.stmt] | list[ast.expr]) -> None:
        before, self._current = self._current, Scope(node, self._current)
        if isinstance(node, FUNCTIONS):
            for name in parameters(node):
                self._bind(name, Binding("parameter", node, name))
        for part in body:
            self.visit(part)
        self._current = before


def parameters(function: Function) -> list[str]:
    """Names of a function's parameters: positional ones first, `*args` and `**kwargs` last."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [part.arg for part in (*named, *filter(None, (arguments.vararg, arguments.kwarg)))]
