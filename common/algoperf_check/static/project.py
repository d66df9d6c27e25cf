"""All files of a submission together: definitions, imports between the files, and uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from algoperf.submission.imports import relative_to_folder
from algoperf_check.findings import Finding
from algoperf_check.rules import RULES
from algoperf_check.static.scopes import FUNCTIONS, Binding, Function, Scopes
from algoperf_check.static.source import SourceFile

SyntaxNode = TypeVar("SyntaxNode", bound=ast.AST)
Definition = Function | ast.ClassDef


@dataclass(eq=False)
class File:
    """One file with its scopes; `nodes` holds all nodes of its tree."""

    source: SourceFile
    scopes: Scopes
    nodes: list[ast.AST]

    @property
    def module(self) -> str:
        """The file's dotted name, relative to the submission's folder."""
        return self.source.module


class Project:
    """The readable files of a submission.

    Attributes:
      files: all files, the main file first.
      definitions: functions and classes by `module:qualified.name`.
    """

    def __init__(self, folder: Path, sources: list[SourceFile]) -> None:
        self.folder = folder
        self.files = [File(source, Scopes(source.tree), list(ast.walk(source.tree))) for source in sources]
        self._by_module = {file.module: file for file in self.files}
        self._home = {node: file for file in self.files for node in file.nodes}
        self.definitions: dict[str, Definition] = {}
        self._keys: dict[ast.AST, str] = {}
        for file in self.files:
            for node in file.nodes:
                if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                    self._keys[node] = f"{file.module}:{_qualified_name(file, node)}"
                    self.definitions[self._keys[node]] = node

    def home(self, node: ast.AST) -> File:
        """The file that contains a node."""
        return self._home[node]

    def key(self, definition: ast.AST) -> str:
        """`module:qualified.name` of a function or class."""
        return self._keys[definition]

    def nodes(self, *kinds: type[SyntaxNode]) -> Iterator[SyntaxNode]:
        """All nodes of some kinds, file by file."""
        return (node for file in self.files for node in file.nodes if isinstance(node, kinds))

    def calls(self) -> Iterator[ast.Call]:
        """All calls."""
        return self.nodes(ast.Call)

    def functions(self) -> Iterator[Function]:
        """All functions, methods and lambdas."""
        return (node for file in self.files for node in file.nodes if isinstance(node, FUNCTIONS))

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """A node's ancestors, innermost first."""
        return self.home(node).scopes.enclosing(node)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The parent of a node."""
        return self.home(node).scopes.parent.get(node)

    def bindings(self, node: ast.Name) -> list[Binding]:
        """The bindings that a name refers to."""
        return self.home(node).scopes.of[node].find(node.id)

    def local(self, target: str, level: int, importer: File) -> tuple[File, list[str]] | None:
        """The file of the submission that an imported dotted name refers to, and the rest of the name.

        Files can be imported relative to the folder, or to any of its parents.
        """
        parts = target.split(".") if target else []
        if level:
            package = importer.module.split(".")
            is_package = importer.source.path.name == "__init__.py"
            package = package[: len(package) - level + is_package]
            return self._file_and_rest([*package, *parts])
        places = relative_to_folder(parts, self.folder)
        return next((found for place in places if (found := self._file_and_rest(place)) is not None), None)

    def _file_and_rest(self, parts: list[str]) -> tuple[File, list[str]] | None:
        for length in range(len(parts), 0, -1):
            file = self._by_module.get(".".join(parts[:length]))
            if file is not None:
                return file, parts[length:]
        return None

    def finding(self, rule: str, node: ast.AST, what: str) -> Finding:
        """A finding at the position of a node."""
        return Finding(RULES[rule], what, self.home(node).source.path.as_posix(), getattr(node, "lineno", None))


def _qualified_name(file: File, node: Definition) -> str:
    around = [part for part in file.scopes.enclosing(node) if isinstance(part, (*FUNCTIONS, ast.ClassDef))]
    return ".".join(getattr(part, "name", f"lambda{part.lineno}") for part in (*reversed(around), node))
