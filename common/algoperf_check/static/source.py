"""The Python files of a submission as syntax trees. None of them is imported."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from pathlib import Path

from algoperf.submission.imports import OwnFiles, module_parts
from algoperf_check.findings import Finding
from algoperf_check.rules import RULES


@dataclass(frozen=True)
class SourceFile:
    """One readable file.

    Attributes:
      path: relative to the submission's folder.
      tree: its content.
    """

    path: Path
    tree: ast.Module

    @property
    def module(self) -> str:
        """Dotted name relative to the folder; an `__init__.py` has the name of its package."""
        return ".".join(module_parts(self.path))


def read_sources(file: Path) -> tuple[list[SourceFile], list[Finding]]:
    """The files that a submission's main file can reach, itself first, and findings for unreadable ones."""
    sources: list[SourceFile] = []
    findings: list[Finding] = []

    def tree_of(path: Path) -> ast.Module | None:
        read = _read(path, file.parent)
        if isinstance(read, Finding):
            findings.append(read)
            return None
        sources.append(read)
        return read.tree

    OwnFiles(file).reach(tree_of)
    sources.sort(key=lambda source: (source.path != Path(file.name), source.path))
    return sources, findings


def _read(file: Path, folder: Path) -> SourceFile | Finding:
    path = file.relative_to(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are not covered by the rules
            tree = ast.parse(file.read_bytes(), filename=str(path))
            compile(tree, str(path), "exec", dont_inherit=True)  # finds errors that depend on context; runs nothing
    except SyntaxError as error:
        what = f"{error.msg}; the rest of the file was not checked."
        return Finding(RULES["12.1"], what, path.as_posix(), error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:
        return Finding(RULES["12.1"], f"{error}; the file was not checked.", path.as_posix())
    return SourceFile(path, tree)
