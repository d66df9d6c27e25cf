"""Finds cubes: a folder with a `workload.py` that defines `WORKLOAD`.

Cubes lie in the repository's `cubes/` folder, in the folders named by the environment variable
ALGOPERF_CUBES (separated like PATH), or anywhere, if the folder itself is given instead of a name.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from algoperf.errors import UserError, nearest_few, unknown
from algoperf.workload.definition import FRAMEWORKS, Framework, WorkloadDefinition

REPOSITORY_CUBES = Path(__file__).resolve().parents[3] / "cubes"
_PACKAGE = "algoperf_cubes"
_MODEL_MODULES: dict[Framework, str] = {"jax": "model_jax", "pytorch": "model_torch"}


def cube_folders() -> dict[str, Path]:
    """All cubes by folder name; folders named by ALGOPERF_CUBES come before the repository's."""
    roots = [Path(root) for root in os.environ.get("ALGOPERF_CUBES", "").split(os.pathsep) if root]
    found = {}
    for root in reversed([*roots, REPOSITORY_CUBES]):
        for definition in sorted(root.glob("*/workload.py")):
            found[definition.parent.name] = definition.parent
    return dict(sorted(found.items()))


def find_workload(name_or_folder: str) -> WorkloadDefinition:
    """The definition of a workload or variant, by name, or of the cube in a folder.

    Raises UserError with the nearest name if there is no such workload.
    """
    if (Path(name_or_folder) / "workload.py").is_file():
        return load_cube(Path(name_or_folder))
    folders = cube_folders()
    if name_or_folder in folders:
        return load_cube(folders[name_or_folder])
    definitions = [load_cube(folder) for folder in folders.values()]
    for definition in definitions:
        if name_or_folder in definition.variants:
            return definition.variant(name_or_folder)
    raise _unknown_workload(name_or_folder, definitions)


def _unknown_workload(given: str, definitions: Sequence[WorkloadDefinition]) -> UserError:
    """The nearest names, then all workloads, each with the endings of its variants."""
    names = [name for definition in definitions for name in (definition.name, *definition.variants)]
    near = nearest_few(given, names)
    hint = f" Did you mean {', '.join(map(repr, near[:-1]))}{' or ' if near[1:] else ''}{near[-1]!r}?" if near else ""
    lines = []
    for definition in definitions:
        endings = [name.removeprefix(definition.name) for name in definition.variants]
        lines.append(f"  {definition.name}" + (f"  ({', '.join(endings)})" if endings else ""))
    return UserError(
        f"Unknown workload {given!r}.{hint} A cube's folder may be given instead: --workload path/to/cube. "
        "There are, with variants:\n" + "\n".join(lines)
    )


def base_workload_name(name: str, bases: Iterator[str] | tuple[str, ...]) -> str:
    """The first of `bases` that is contained in `name`, else `name` itself (the rules' own lookup)."""
    return next((base for base in bases if base in name), name)


@functools.cache
def load_cube(folder: Path) -> WorkloadDefinition:
    """The definition in a cube's `workload.py`."""
    folder = folder.resolve()
    module = cube_module(folder, "workload")
    definition = getattr(module, "WORKLOAD", None)
    if not isinstance(definition, WorkloadDefinition):
        raise UserError(f"{folder / 'workload.py'} must define WORKLOAD, a WorkloadDefinition.")
    return dataclasses.replace(definition, folder=folder)


def model_module(definition: WorkloadDefinition, framework: Framework) -> ModuleType:
    """The cube's model module for a framework, `model_jax.py` or `model_torch.py`."""
    if framework not in FRAMEWORKS:
        raise unknown("framework", framework, FRAMEWORKS)
    return cube_module(definition.folder, _MODEL_MODULES[framework])


def decodes(definition: WorkloadDefinition, framework: Framework) -> bool:
    """Whether the cube's model module evaluates more than the model's outputs; found out without importing it."""
    tree = ast.parse((definition.folder / f"{_MODEL_MODULES[framework]}.py").read_bytes())
    return any(isinstance(node, ast.FunctionDef) and node.name == "evaluate" for node in tree.body)


def model_code(definition: WorkloadDefinition, framework: Framework) -> Any:
    """What builds the workload's model: the cube's module, or what a model submission puts in its place."""
    published = model_module(definition, framework)
    source = definition.model_source
    return published if source is None else source.in_place_of(published, definition, framework)


def cube_module(folder: Path, name: str) -> ModuleType:
    """Import a file of a cube. The files of a cube form a package, so they may import each other relatively."""
    package = f"{_PACKAGE}.{folder.name}"
    for parent, path in ((_PACKAGE, []), (package, [str(folder)])):
        if parent not in sys.modules:
            spec = importlib.machinery.ModuleSpec(parent, loader=None, is_package=True)
            sys.modules[parent] = importlib.util.module_from_spec(spec)
            sys.modules[parent].__path__ = path
    if sys.modules[package].__path__ != [str(folder)]:
        raise UserError(
            f"Two cubes of the same name in one process: {folder} and {next(iter(sys.modules[package].__path__))}."
        )
    if not (folder / f"{name}.py").is_file():
        raise UserError(f"The cube {folder} has no {name}.py.")
    return importlib.import_module(f"{package}.{name}")
