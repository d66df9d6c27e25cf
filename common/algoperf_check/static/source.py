"""The Python files of a submission as syntax trees. None of them is imported."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from algoperf.submission.loading import is_part
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
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_sources(file: Path) -> tuple[list[SourceFile], list[Finding]]:
    """The files of a submission, its main file first, and findings for unreadable ones.

    A submission named `submission.py` owns its folder. Any other consists of its file and the files beside it that it
    imports.
    """
    folder = file.parent
    if file.stem == "submission":
        others = sorted(path for path in folder.rglob("*.py") if path != file and is_part(path, folder))
        return _read([file, *others], folder)
    sources, findings = _read([file], folder)
    pending, seen = list(sources), {file}
    while pending:
        new = sorted(set(_imported_files(pending.pop(), folder)) - seen)
        seen.update(new)
        more, faults = _read(new, folder)
        pending += more
        sources += more
        findings += faults
    return sources, findings


def imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names in import statements, with the number of leading dots; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if base:
                yield base, node.level
            yield from ((f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names)


def _read(files: list[Path], folder: Path) -> tuple[list[SourceFile], list[Finding]]:
    sources, findings = [], []
    for file in files:
        path = file.relative_to(folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes are not covered by the rules
                tree = ast.parse(file.read_bytes(), filename=str(path))
                compile(tree, str(path), "exec", dont_inherit=True)  # finds errors that depend on context; runs nothing
        except SyntaxError as error:
            what = f"{error.msg}; the rest of the file was not checked."
            findings.append(Finding(RULES["12.1"], what, path.as_posix(), error.lineno))
        except (ValueError, RecursionError, MemoryError) as error:
            findings.append(Finding(RULES["12.1"], f"{error}; the file was not checked.", path.as_posix()))
        else:
            sources.append(SourceFile(path, tree))
    return sources, findings


def _imported_files(source: SourceFile, folder: Path) -> Iterator[Path]:
    for name, level in imported_modules(source.tree):
        base = (folder / source.path).parents[level - 1] if level else folder
        parts = name.split(".")
        parts = parts[1:] if not level and parts[0] == folder.name else parts
        place = base.joinpath(*parts)
        for candidate in (place.with_suffix(".py"), place / "__init__.py"):
            if candidate.is_file() and candidate.is_relative_to(folder):
                yield candidate
