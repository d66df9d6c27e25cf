"""Which module of the project imports which: read from the code, imports for types and inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from places import REPOSITORY

PACKAGES = {
    "algoperf": REPOSITORY / "common",
    "algoperf_check": REPOSITORY / "common",
    "algoperf_scoring": REPOSITORY / "scoring",
}


def _name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files() -> dict[str, Path]:
    """All modules by dotted name."""
    return {
        _name(file, root): file for package, root in PACKAGES.items() for file in sorted((root / package).rglob("*.py"))
    }


def imports_of(file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules in `known` that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{file} imports by a relative name"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported = submodule if submodule in known else node.module
                if imported in known:
                    yield imported


def graph() -> dict[str, set[str]]:
    """For every module, those that it imports."""
    known = files()
    return {name: set(imports_of(file, known)) - {name} for name, file in known.items()}
