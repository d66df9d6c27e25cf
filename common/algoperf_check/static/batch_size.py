"""Finds the code that serves `get_batch_size` only: workload names belong there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf_check.static.project import File, Project

ROOTS = ("get_batch_size", "get_eval_batch_size")
_OTHER_FUNCTIONS = ("init_optimizer_state", "update_params", "prepare_for_eval", "data_selection")
_Entity = tuple[File, str]


class BatchSizeCode:
    """Top-level functions and tables that only `get_batch_size` uses."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._roots = {
            (file, name) for file in project.files for name in ROOTS if file.scopes.module.bindings.get(name)
        }
        users = self._users()
        allowed = self._roots | {entity for entity in users if entity[1] not in _OTHER_FUNCTIONS}
        while True:
            misused = {
                entity
                for entity in allowed - self._roots
                if not all(owners and owners <= allowed for owners in users[entity])
            }
            if not misused:
                break
            allowed -= misused
        self._allowed = allowed

    def __contains__(self, node: ast.AST) -> bool:
        owners = self._owners(node)
        return bool(owners) and owners <= self._allowed

    def functions(self) -> list[ast.FunctionDef]:
        """The functions of this code."""
        return [
            binding.node
            for file, name in self._allowed
            for binding in file.scopes.module.bindings[name]
            if isinstance(binding.node, ast.FunctionDef)
        ]

    def tables(self) -> list[ast.expr]:
        """The values assigned to names in this code."""
        return [
            binding.node
            for file, name in self._allowed
            for binding in file.scopes.module.bindings[name]
            if binding.kind == "value" and isinstance(binding.node, ast.expr)
        ]

    def _users(self) -> dict[_Entity, list[frozenset[_Entity]]]:
        """For every used entity: the owners of each use."""
        users: dict[_Entity, list[frozenset[_Entity]]] = {}
        for node in self._project.nodes(ast.Name, ast.Attribute):
            entity = self._entity(node)
            if entity is not None and isinstance(node.ctx, ast.Load):  # type: ignore[attr-defined]
                owners = self._owners(node)
                if entity not in owners:
                    users.setdefault(entity, []).append(owners)
        return users

    def _entity(self, node: ast.AST) -> _Entity | None:
        """The entity that a name, or an attribute of an imported file, refers to."""
        project = self._project
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for binding in project.bindings(node.value):
                if binding.kind == "import":
                    found = project.local(binding.target, binding.level, project.home(node))
                    if found is not None and not found[1]:
                        return found[0], node.attr
        if isinstance(node, ast.Name):
            file, bindings = project.home(node), project.bindings(node)
            for binding in bindings:
                if binding.kind == "import":
                    found = project.local(binding.target, binding.level, file)
                    return (found[0], found[1][0]) if found is not None and len(found[1]) == 1 else None
            if bindings and bindings is file.scopes.module.bindings.get(node.id):
                return file, node.id
        return None

    def _owners(self, node: ast.AST) -> frozenset[_Entity]:
        """The entities whose definition contains a node."""
        file, top = self._project.home(node), node
        for ancestor in self._project.enclosing(node):
            if isinstance(ancestor, ast.Module):
                break
            top = ancestor
        return frozenset((file, name) for name in _defined(top))


def _defined(statement: ast.AST) -> Iterator[str]:
    """The names that a top-level statement defines or adds to."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        targets = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = [statement.value.func.value] if isinstance(statement.value.func, ast.Attribute) else []
    for target in targets:
        inner = target.value if isinstance(target, ast.Subscript) else target
        for part in inner.elts if isinstance(inner, (ast.Tuple, ast.List)) else [inner]:
            if isinstance(part, ast.Name):
                yield part.id
