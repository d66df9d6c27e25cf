"""Texts and definitions that are known without running the code."""

from __future__ import annotations

import ast

from algoperf_check.static.project import Project

_LONGEST = 10_000


class Constants:
    """Texts: literals, put together by `+`, f-strings or `join`, and names that are assigned once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[ast.AST, str | None] = {}

    def __call__(self, node: ast.AST) -> str | None:
        """The text, or None; bytes count as text."""
        if node not in self._known:
            self._known[node] = None  # until it is found: a name may be defined by itself
            text = self._text(node)
            self._known[node] = text if text is None or len(text) <= _LONGEST else None
        return self._known[node]

    def _text(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant):
            value = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            return value if isinstance(value, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined("", [node.left, node.right])
        if isinstance(node, ast.JoinedStr):
            return self._joined("", node.values)
        if isinstance(node, (ast.NamedExpr, ast.FormattedValue)):
            return None if getattr(node, "format_spec", None) else self(node.value)
        if isinstance(node, ast.Call):
            return self._call(node)
        definition = self.definition(node)
        return None if definition is None else self(definition)

    def _joined(self, separator: str, parts: list[ast.expr]) -> str | None:
        texts = [text for part in parts if (text := self(part)) is not None]
        return separator.join(texts) if len(texts) == len(parts) else None

    def _call(self, node: ast.Call) -> str | None:
        """`"_".join([...])`."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "join" or len(node.args) != 1:
            return None
        separator, parts = self(node.func.value), node.args[0]
        if separator is None or not isinstance(parts, (ast.List, ast.Tuple)):
            return None
        return self._joined(separator, parts.elts)

    def definition(self, node: ast.AST) -> ast.expr | None:
        """The expression assigned to a name, or to an attribute of a file of the submission, if it is assigned once."""
        project = self._project
        if isinstance(node, ast.Name):
            bindings = project.bindings(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            bindings = self._members(project.bindings(node.value), node)
        else:
            return None
        if len(bindings) != 1:
            return None
        binding = bindings[0]
        if binding.kind == "import":
            found = project.local(binding.target, binding.level, project.home(binding.node))
            if found is None or len(found[1]) != 1:
                return None
            bindings = found[0].scopes.module.find(found[1][0])
            binding = bindings[0] if len(bindings) == 1 else binding
        return binding.node if binding.kind == "value" and isinstance(binding.node, ast.expr) else None

    def _members(self, bindings: list, node: ast.Attribute) -> list:
        """Bindings of an attribute of an imported file, or of the enclosing class (`self.NAME`)."""
        if len(bindings) != 1:
            return []
        binding = bindings[0]
        if binding.kind == "import":
            found = self._project.local(binding.target, binding.level, self._project.home(binding.node))
            return found[0].scopes.module.find(node.attr) if found is not None and not found[1] else []
        if binding.kind == "parameter":
            owner = self._project.parent(binding.node)
            if isinstance(owner, ast.ClassDef) and owner.body:
                return self._project.home(owner).scopes.of[owner.body[0]].bindings.get(node.attr, [])
        return []
