"""Which framework a submission is written for: by its imports, and by what its submission_info.yml says."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterable
from pathlib import Path

from algoperf.errors import UserError
from algoperf.submission.functions import require_functions
from algoperf.submission.imports import OwnFiles, imported_modules
from algoperf.submission.loading import submission_file
from algoperf.submission.syntax import read_tree
from algoperf.workload.definition import FRAMEWORKS, Framework

INFO_FILE = "submission_info.yml"
TITLES: dict[Framework, str] = {"jax": "JAX", "pytorch": "PyTorch"}
_PACKAGES: dict[str, Framework] = {
    "jax": "jax",
    "flax": "jax",
    "optax": "jax",
    "chex": "jax",
    "torch": "pytorch",
    "torchvision": "pytorch",
}
_HARNESS_PARTS: dict[str, Framework] = {
    "jax_sharding_utils": "jax",
    "pytorch_utils": "pytorch",
    **{f"blocks.jax_{name}": "jax" for name in ("averaging", "rules", "step")},
    **{f"blocks.torch_{name}": "pytorch" for name in ("averaging", "lists", "rules", "step")},
}


def framework_to_train(submission: Path, asked: Framework | None) -> Framework:
    """What to train a submission in, a folder or a file: see `choose_framework`.

    Raises UserError too if there is no such submission, or if it misses a function that it needs: every command that
    trains asks this first, before it prepares data or imports a framework.
    """
    file = submission_file(submission)
    framework = choose_framework(file, asked)
    require_functions(file)
    return framework


def choose_framework(file: Path, asked: Framework | None) -> Framework:
    """The framework to train a submission in: the one asked for, else the one that it is written for.

    Raises UserError if it is not written for the one asked for, if none was asked for and it does not say, or if its
    main file is no Python.
    """
    _check_syntax(file)
    main, everywhere = _imported(file)
    said = _said(file)
    if asked is not None:
        written = everywhere or ({said} if said else set())
        if written and asked not in written:
            raise UserError(_refusal(file, asked, next(iter(written)), bool(everywhere), said))
        return asked
    candidates = [each for each in (main, everywhere) if len(each) == 1]
    if said is not None and (said in everywhere or not everywhere):
        return said
    if candidates and said is None:
        return next(iter(candidates[0]))
    imports = " and ".join(sorted(TITLES[name] for name in everywhere)) or "neither JAX nor PyTorch"
    says = f"{INFO_FILE} says {TITLES[said]}" if said else f"no {INFO_FILE} says a framework"
    raise UserError(
        f"Which framework is {file} written for? It imports {imports}, and {says}. "
        f"Say --framework {' or --framework '.join(FRAMEWORKS)}."
    )


def _check_syntax(file: Path) -> None:
    try:
        ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError) as error:
        shown = "".join(traceback.format_exception_only(error)).rstrip()
        raise UserError(f"The submission {file} cannot be imported.\n{shown}") from None
    except (RecursionError, MemoryError):
        pass  # the import may manage


def framework_of(sources: Iterable[ast.AST]) -> set[Framework]:
    """The frameworks that code imports."""
    return {
        name
        for tree in sources
        for module, level in imported_modules(tree)
        if not level and (name := _framework_of_module(module)) is not None
    }


def _refusal(file: Path, asked: Framework, written: Framework, by_imports: bool, said: Framework | None) -> str:
    reasons = [f"it imports {TITLES[written]} and not {TITLES[asked]}"] if by_imports else []
    reasons += [f"its {INFO_FILE} says {TITLES[said]}"] if said == written else []
    return (
        f"--framework {asked} was given, but {file} is written for {TITLES[written]}: {', and '.join(reasons)}. "
        f"Leave it out, or say --framework {written}."
    )


def _imported(file: Path) -> tuple[set[Framework], set[Framework]]:
    """The frameworks that the main file imports, and that all files which it can reach import."""
    trees: list[ast.Module] = []

    def tree_of(path: Path) -> ast.Module | None:
        tree = read_tree(path)
        trees.extend([] if tree is None else [tree])
        return tree

    own = OwnFiles(file)
    own.roots.sort(key=lambda path: path == file)  # taken from the end: the main file first
    own.reach(tree_of)
    return framework_of(trees[:1]), framework_of(trees)


def _said(file: Path) -> Framework | None:
    """The framework that submission_info.yml names; None if there is no such file or it cannot be read."""
    info = file.parent / INFO_FILE
    if not info.is_file():
        return None
    from algoperf.readers.yaml_text import read_yaml

    try:
        content = read_yaml(info)
    except UserError:
        return None  # `algoperf check` and the leaderboard say what is wrong with it
    said = str(content.get("framework") or "").lower() if isinstance(content, dict) else ""
    return next((name for name in FRAMEWORKS if name == said), None)


def _framework_of_module(module: str) -> Framework | None:
    package, _, rest = module.partition(".")
    if package in ("algoperf", "algorithmic_efficiency"):
        return _HARNESS_PARTS.get(rest) or _HARNESS_PARTS.get(rest.rpartition(".")[0])
    return _PACKAGES.get(package)
