"""Which files of a submission decide what it does: its identity. README and tests are not among them."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import json
from collections.abc import Mapping
from pathlib import Path

from algoperf.data.files import sha256_of
from algoperf.submission.imports import OwnFiles
from algoperf.submission.syntax import read_tree
from algoperf.tuning.search_space import SearchSpace

_COMPILED = tuple(suffix for suffix in importlib.machinery.all_suffixes() if suffix != ".py")


def code_hashes(file: Path) -> dict[str, str]:
    """SHA-256, by path relative to the submission's folder, of the files that a submission's main file can use.

    These are the Python files that its imports may mean, compiled modules, and files that its code names in a text.
    """
    folder, texts = file.parent, set[str]()

    def tree_of(path: Path) -> ast.Module | None:
        tree = read_tree(path) or ast.Module([], [])
        texts.update(_texts(tree))
        return tree

    own = OwnFiles(file)
    used = own.reach(tree_of)
    used += [entry for entry in own.others() if _is_used(entry.relative_to(folder), texts)]
    return _hashes(used, folder)


def other_hashes(file: Path) -> dict[str, str]:
    """SHA-256 of the remaining files of a submission that owns its folder: they are recorded, and identify nothing."""
    used, own = code_hashes(file), OwnFiles(file)
    everything = _hashes([*own.python_files, *own.others()], file.parent) if own.owns_folder else {}
    return {name: digest for name, digest in everything.items() if name not in used}


def search_space_hash(space: SearchSpace | None) -> str | None:
    """SHA-256 of the content of a search space, however its file is laid out; None if there is none."""
    return None if space is None else hashlib.sha256(json.dumps(space).encode()).hexdigest()


def combined_hash(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for a set of files."""
    return hashlib.sha256("".join(f"{name}:{value}\n" for name, value in sorted(hashes.items())).encode()).hexdigest()


def _hashes(files: list[Path], folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(files)}


def _is_used(path: Path, texts: set[str]) -> bool:
    return path.name.endswith(_COMPILED) or path.name in texts or path.as_posix() in texts


def _texts(tree: ast.Module) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
