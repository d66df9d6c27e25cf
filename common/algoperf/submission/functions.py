"""The functions that a submission defines. One that misses any is refused before anything is imported or prepared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from algoperf.errors import UserError, nearest_few
from algoperf.submission.syntax import bound_names, own_names, read_tree

REQUIRED = ("get_batch_size", "init_optimizer_state", "update_params", "data_selection")
FUNCTIONS = (*REQUIRED, "prepare_for_eval")
_REMEDY = "Start from what `algoperf new` writes."


def require_functions(file: Path, names: Sequence[str] = REQUIRED, remedy: str = _REMEDY) -> None:
    """Raise UserError if a file does not define functions of these names, by its text: that takes no time.

    Where a name may come from is not always in the text, as of `from helper import *`. Then the import will tell.
    """
    tree = read_tree(file)
    bound = None if tree is None else bound_names(tree)
    if tree is None or bound is None:
        return
    missing = [name for name in names if name not in bound]
    if missing:
        raise missing_functions(file, missing, own_names(tree), remedy)


def defined_in(module: ModuleType) -> list[str]:
    """The functions and classes of an imported file, without those that it imports itself."""
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    return [name for name, value in own.items() if callable(value)]


def missing_functions(file: Path, missing: Iterable[str], defined: Iterable[str], remedy: str = _REMEDY) -> UserError:
    """The error for a file that does not define some functions, but others: with the names that are alike."""
    missing, defined = list(missing), sorted(defined)
    others = [name for name in defined if name not in FUNCTIONS and not name.startswith("_")]
    hints = [f" Did you mean {name} by {near}?" for name in missing for near in nearest_few(name, others, most=1)]
    listed = ", ".join(defined) or "no function"
    return UserError(f"{file} does not define {', '.join(missing)}.{''.join(hints)} It defines: {listed}. {remedy}")
