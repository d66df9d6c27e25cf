"""Lets the code of a submission use names that newer libraries have dropped; nothing else sees them.

The libraries stay as they are. Instead, the modules of a submission are compiled with the uses replaced: `jax.tree_map`
becomes `jax.tree_util.tree_map`. `renamed.py` is the table. A name that the installed version has stays as it is.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from algoperf.submission.renamed import ARGUMENTS, DROPPED, NAMES, PMAP_ERA, POSITIONAL

_LIBRARIES = ("jax", "flax", "numpy", "optax", "torch")
_BOUND = "_algoperf_"


def replacement(name: str) -> Any:
    """What a full name of a library means: itself if the library has it, else what `NAMES` says."""
    try:
        found = _find(name)
    except (AttributeError, ImportError):
        found = NAMES[name]
        found = _find(found) if isinstance(found, str) else found
    return _with_old_arguments(found, ARGUMENTS[name]) if name in ARGUMENTS else found


def _find(name: str) -> Any:
    """The object with a full name. Raises AttributeError or ImportError if there is none."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    return found


def _with_old_arguments(function: Callable[..., Any], changes: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def translated(*args: Any, **kwargs: Any) -> Any:
        for old, new in changes.items():
            if old not in kwargs:
                continue
            value = kwargs.pop(old)
            if new == POSITIONAL:
                args = (value, *args)
            elif new != DROPPED:
                kwargs[new] = value
        return function(*args, **kwargs)

    return translated


class Uses:
    """The names of libraries that a file uses, by the names that its imports give them."""

    def __init__(self, tree: ast.Module) -> None:
        self._imported: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._add(alias.asname or alias.name.split(".")[0], alias.name if alias.asname else None)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._add(alias.asname or alias.name, f"{node.module}.{alias.name}")

    def _add(self, name: str, means: str | None) -> None:
        means = means or name
        if means.split(".")[0] in _LIBRARIES:
            self._imported[name] = means

    def name(self, node: ast.AST) -> str | None:
        """The full name that an expression refers to; None if it is no name of a library."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := self.name(node.value)) is not None:
            return f"{owner}.{node.attr}"
        return None

    def of_pmap_era(self, tree: ast.Module) -> set[str]:
        """The uses that only entries of the pmap era have."""
        return {name for node in ast.walk(tree) if (name := self.name(node)) in PMAP_ERA}


class _Translator(ast.NodeTransformer):
    """Replaces uses; `used` maps full names to the variables that hold their replacements."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self.used: dict[str, str] = {}

    def _variable(self, name: str, at: ast.AST) -> ast.Name:
        variable = self.used.setdefault(name, f"{_BOUND}{len(self.used)}")
        return ast.copy_location(ast.Name(variable, ast.Load()), at)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = self._uses.name(node)
        if name is not None and name in NAMES and isinstance(node.ctx, ast.Load):
            return self._variable(name, node)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = self._uses.name(node.func)
        old = ARGUMENTS.get(name or "", {})
        if name is not None and any(keyword.arg in old for keyword in node.keywords):
            node.func = self._variable(name, node.func)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> Any:
        old = [alias for alias in node.names if alias.name in NAMES]
        for alias in old:
            if alias.asname is None:
                alias.name = alias.name.split(".")[0]  # uses below are full names
        return self._split(node, [(alias, alias.name) for alias in old if alias.asname is not None])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        names = [(alias, f"{node.module}.{alias.name}") for alias in node.names]
        return self._split(node, [pair for pair in names if pair[1] in NAMES and not node.level])

    def _split(self, node: ast.Import | ast.ImportFrom, old: list[tuple[ast.alias, str]]) -> Any:
        """The import without old names, and assignments of their replacements."""
        aliases = [alias for alias, _ in old]
        node.names = [alias for alias in node.names if alias not in aliases]
        assigned = [
            ast.copy_location(
                ast.Assign([ast.Name(alias.asname or alias.name, ast.Store())], self._variable(name, node)), node
            )
            for alias, name in old
        ]
        return [*([node] if node.names else []), *assigned]


def translated(tree: ast.Module) -> tuple[ast.Module, set[str]]:
    """A module with its old names replaced, and the names."""
    translator = _Translator(Uses(tree))
    tree = translator.visit(tree)
    if translator.used:
        code = [f"from {__name__} import replacement as {_BOUND}replacement"]
        code += [f"{variable} = {_BOUND}replacement({name!r})" for name, variable in translator.used.items()]
        place = _first_statement(tree)
        tree.body[place:place] = ast.parse("\n".join(code)).body
    return ast.fix_missing_locations(tree), set(translator.used)


def _first_statement(tree: ast.Module) -> int:
    """Where code may be inserted: after the docstring and imports from `__future__`."""
    for place, node in enumerate(tree.body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            return place
    return len(tree.body)


class Modules(importlib.machinery.PathFinder):
    """Finds the modules of one submission, and compiles them with old names replaced.

    Attributes:
      renamed: the old names that the modules loaded so far use.
      pmap_era: their uses that only entries of the pmap era have.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.renamed: set[str] = set()
        self.pmap_era: set[str] = set()

    def find_spec(  # type: ignore[override]
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`; None for modules that lie elsewhere."""
        del target
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is None or found.origin is None or not isinstance(found.loader, importlib.machinery.SourceFileLoader):
            return None
        if not Path(found.origin).resolve().is_relative_to(self._folder):
            return None
        found.loader = self.loader(name, found.origin)
        return found

    def loader(self, name: str, origin: str) -> _Loader:
        """A loader of one file."""
        return _Loader(name, origin, self)

    def install(self) -> None:
        """Find the modules of this submission, and of no earlier one."""
        sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if not isinstance(finder, Modules))]


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, modules: Modules) -> None:
        super().__init__(name, path)
        self._modules = modules

    def get_code(self, fullname: str) -> CodeType:
        """Compile the translated source. Not cached: other programs may import the same file."""
        source = self.get_data(self.path)
        tree = ast.parse(source, self.path)
        self._modules.pmap_era |= Uses(tree).of_pmap_era(tree)
        tree, names = translated(tree)
        self._modules.renamed |= names
        return compile(tree, self.path, "exec", dont_inherit=True)
