"""Which files of a submission its main file can reach: its code, and not the tests and examples beside it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from algoperf.submission.loading import is_part

_BY_NAME = ("__import__", "import_module")
_BY_OTHER_MEANS = {
    *_BY_NAME, "SourceFileLoader", "__builtins__", "__path__", "exec_module", "iter_modules", "load_module",
    "meta_path", "path_hooks", "spec_from_file_location", "spec_from_loader",
}  # fmt: skip
_IMPORTERS = ("cloudpickle", "dill", "imp", "pickle", "pkgutil", "pydoc", "runpy", "zipimport")
_MOST_FOLDERS_ABOVE = 4


class OwnFiles:
    """The Python files that a submission's imports may mean.

    A submission named `submission.py` owns its folder. Any of its subfolders may be on the import path, so `import a.b`
    may mean every file whose path ends with `a/b.py`. Any other submission consists of its file and the files beside it
    that it imports.
    """

    def __init__(self, main: Path) -> None:
        self._folder, self.owns_folder = main.parent, main.stem == "submission"
        self._all: set[Path] = set()
        self._by_end: dict[tuple[str, ...], set[Path]] = defaultdict(set)
        if self.owns_folder:
            self._all = {path for path in self._folder.rglob("*.py") if is_part(path, self._folder)}
        for path in self._all:
            module = module_parts(path.relative_to(self._folder))
            for start in range(len(module)):
                self._by_end[module[start:]].add(path)
                self._by_end[(*module[start:-1], "*")].add(path)  # `from a import *` may import all of a
        package = self._folder / "__init__.py"
        self.roots = [main, *({package} & self._all)]

    @property
    def python_files(self) -> set[Path]:
        """All Python files of a submission that owns its folder."""
        return self._all

    def others(self) -> list[Path]:
        """The files that are no Python code: below the folder, or beside a file that does not own it."""
        entries = self._folder.rglob("*") if self.owns_folder else self._folder.iterdir()
        return [path for path in entries if path.suffix != ".py" and path.is_file() and is_part(path, self._folder)]

    def reach(self, tree_of: Callable[[Path], ast.Module | None]) -> list[Path]:
        """The files that the main file can reach, itself included. `tree_of` reads one; None if it cannot be read."""
        pending, reached = list(self.roots), []
        seen = set(pending)
        while pending:
            path = pending.pop()
            reached.append(path)
            tree = tree_of(path)
            new = set() if tree is None else self.imported_by(path, tree) - seen
            pending += new
            seen |= new
        return reached

    def imported_by(self, path: Path, tree: ast.Module) -> set[Path]:
        """The files that the imports of one file may mean, anywhere in its code."""
        if _imports_unknown(tree):
            return self._all  # any file may be meant
        return {
            file
            for name, level in imported_modules(tree)
            for module in self._modules(name, level, path)
            for length in range(1, len(module) + 1)
            for file in self._files(tuple(module[:length]))
        }

    def _modules(self, name: str, level: int, path: Path) -> Iterator[Sequence[str]]:
        """What an imported name may mean, relative to the folder."""
        above = path.relative_to(self._folder).parents
        if 0 < level <= len(above):
            yield *above[level - 1].parts, *name.split(".")
        else:
            yield from relative_to_folder(name.split("."), self._folder)

    def _files(self, module: tuple[str, ...]) -> set[Path]:
        if self.owns_folder:
            return self._by_end.get(module, set())
        place = self._folder.joinpath(*module)
        return {file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()}


def module_parts(path: Path) -> tuple[str, ...]:
    """The dotted name of a file, in parts; an `__init__.py` has the name of its package."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def relative_to_folder(parts: list[str], folder: Path) -> Iterator[list[str]]:
    """A dotted name, and what is left of it if it begins with the submission's folder, or with folders above it."""
    yield parts
    above = folder.parts[-_MOST_FOLDERS_ABOVE:]
    for depth in range(1, len(above) + 1):
        if tuple(parts[:depth]) == above[-depth:]:
            yield parts[depth:]


def imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names in imports, with the number of leading dots; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if base:
                yield base, node.level
            yield from ((f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names)
        elif isinstance(node, ast.Call) and (name := _name_given(node)) is not None:
            yield name.lstrip("."), 0  # relative to any package: its second argument may name another


def _name_given(call: ast.Call) -> str | None:
    """The module that `import_module("a.b")` or `__import__("a.b")` imports."""
    function = getattr(call.func, "attr", getattr(call.func, "id", None))
    given = call.args[0] if call.args else None
    if function in _BY_NAME and isinstance(given, ast.Constant) and isinstance(given.value, str):
        return given.value
    return None


def _imports_unknown(tree: ast.Module) -> bool:
    """Whether code may import modules whose names are not written out."""
    nodes = list(ast.walk(tree))
    written_out = {node.func for node in nodes if isinstance(node, ast.Call) and _name_given(node) is not None}
    members = {node.value for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id == "importlib" and node not in members:
            return True  # it may be given to getattr
        if isinstance(node, ast.Name) and node.id in ("eval", "exec"):
            return True
        if isinstance(node, ast.alias) and node.asname and node.name in ("importlib", *_BY_OTHER_MEANS):
            return True
        module = node.module if isinstance(node, ast.ImportFrom) else getattr(node, "name", None)
        if isinstance(node, (ast.alias, ast.ImportFrom)) and (module or "").partition(".")[0] in _IMPORTERS:
            return True
        word = next((getattr(node, field) for field in ("id", "attr", "value") if hasattr(node, field)), None)
        if isinstance(word, str) and word in _BY_OTHER_MEANS and node not in written_out:
            return True
    return False
