"""Loads a submission: a folder, or a file in one, that defines the functions of the submission API.

A submission may lie anywhere: it is loaded by its file's path. Its folder goes on the import path, for helper modules
and packages of its own. The folder's parent goes to the end of the path, for submissions that import their own folder
by name. A folder below one called `submissions` can also be imported by that longer name.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf import spec
from algoperf.errors import SubmissionError, UserError, nearest, text_of
from algoperf.submission.functions import REQUIRED, defined_in, missing_functions
from algoperf.submission.missing_package import explain_missing, explain_own_module, own_module
from algoperf.submission.naming import require_name
from algoperf.submission.renamed import PMAP_ERA_MEANS
from algoperf.submission.tracebacks import submission_traceback
from algoperf.submission.track import ALGORITHM_FILE, is_model
from algoperf.submission.translation import Modules
from algoperf.text import counted
from algoperf.workload import registry

SEARCH_SPACE_FILE = "tuning_search_space.json"
OLDER_NAME = "algorithmic_efficiency"
SUBMISSION_PACKAGE = "algoperf_submission"
_LISTED = 8
_NO_PART = {"__pycache__", ".git", ".pytest_cache"}


def submission_file(path: Path) -> Path:
    """The Python file of a submission given as a file or a folder. Raises UserError if there is none."""
    if path.is_file() and path.suffix == ".py":
        return path.resolve()
    if path.is_dir():
        file = path / ALGORITHM_FILE
        if file.is_file():
            return file.resolve()
        if is_model(path):
            raise UserError(
                f"The folder {path} has no {ALGORITHM_FILE} but the file of a model: this is a model. "
                f"Give it as --model {path}."
            )
        holds = sorted(entry.name for entry in path.iterdir())
        raise UserError(f"The folder {path} has no submission.py. It holds: {', '.join(holds) or 'nothing'}.")
    remedy = "Give a folder with a submission.py, or a .py file."
    if path.exists():
        raise UserError(f"The submission {path} is not a Python file. {remedy}")
    known = {file.parent.name: file.parent for file in _submissions_near(path)}
    found = nearest(path.stem, known)
    hint = f" Did you mean '{known[found]}'?" if found is not None else ""
    listed = f" There are {', '.join(sorted(map(str, known.values()))[:_LISTED])}, ..." if known and not hint else ""
    raise UserError(f"The submission {path} does not exist.{hint}{listed} {remedy}")


def _submissions_near(path: Path) -> Iterator[Path]:
    """The main files of submissions that are where a missing one was looked for, and of all in `submissions`."""
    yield from sorted(Path("submissions").rglob("submission.py"))
    yield from sorted(path.parent.glob("*/submission.py"))


def submission_name(file: Path) -> str:
    """The name in run folders and tables: the folder's for `submission.py`, else the file's.

    Raises UserError if no runs can be filed under it.
    """
    return require_name(file.parent.name if file.stem == "submission" else file.stem)


def is_part(entry: Path, folder: Path) -> bool:
    """Whether a file below a submission's folder belongs to it: caches and git's files do not."""
    return not _NO_PART & set(entry.relative_to(folder).parts)


@dataclass(frozen=True)
class Submission:
    """A loaded submission: its functions, and which of the optional ones and arguments it uses."""

    file: Path
    name: str
    init_optimizer_state: spec.InitOptimizerFn
    update_params: spec.UpdateParamsFn
    data_selection: spec.DataSelectionFn
    prepare_for_eval: spec.PrepareForEvalFn | None
    get_batch_size: Callable[[str], int]
    wants_train_state: bool
    uses_older_name: bool = False  # imports `algorithmic_efficiency`: a submission of v0.5
    renamed: frozenset[str] = frozenset()  # names that newer libraries have dropped, and that are replaced for it
    pmap_era: frozenset[str] = frozenset()  # functions that only JAX entries of the pmap era use
    shown_folder: Path | None = None  # whose lines tracebacks show; None for the folder of `file`

    @property
    def folder(self) -> Path:
        """The folder whose lines tracebacks of its errors show."""
        return self.shown_folder or self.file.parent

    def batch_size(
        self,
        workload: str,
        bases: tuple[str, ...],
        num_devices: int,
        num_examples: int | None = None,
        largest: int | None = None,
    ) -> int:
        """The global training batch size, at most `largest`. On a ValueError, ask again with the base workload's name.

        Raises UserError if there is none, if it is no integer (of Python, NumPy or a framework) from 1 to the number
        of training examples (None if it is not known), or if devices cannot share it; SubmissionError if it raises.
        """
        try:
            size = self.get_batch_size(workload)
        except ValueError as error:
            base = registry.base_workload_name(workload, bases)
            try:
                size = self.get_batch_size(base)
            except ValueError:
                what = f"The submission {self.name} has no batch size for {workload}: {text_of(error)}"
                raise UserError(what) from error
            except KeyboardInterrupt:
                raise
            except BaseException as other:
                raise self._no_batch_size(base, other) from other
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._no_batch_size(workload, error) from error
        found = _integer(size)
        if found is not None and largest is not None:
            found = min(found, largest)
        if found is None or found < 1 or found > (num_examples or found):
            most = "" if num_examples is None else f", at most {num_examples}, the number of training examples"
            raise UserError(f"get_batch_size({workload!r}) returned {size!r}. Allowed: a positive integer{most}.")
        if found % num_devices:
            raise UserError(
                f"The batch size {found} for {workload} cannot be divided among {counted(num_devices, 'device')}."
            )
        return found

    def _no_batch_size(self, workload: str, error: BaseException) -> SubmissionError:
        own_frames = submission_traceback(error, self.file.parent)
        what = f"get_batch_size({workload!r}) raised {type(error).__name__}: {text_of(error)}"
        return SubmissionError(f"{what}\n{own_frames}")


def _integer(value: Any) -> int | None:
    """What Python takes for an integer, as an `int`; None for anything else, and for truth values."""
    if "bool" in (type(value).__name__, str(getattr(value, "dtype", "")).rpartition(".")[2]):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def load_submission(path: Path) -> Submission:
    """Import a submission. Raises UserError, with the place in its code, if that fails or a function is missing."""
    file = submission_file(path)
    for name in [name for name in sys.modules if name.split(".")[0] == OLDER_NAME]:
        del sys.modules[name]  # an earlier submission's import
    modules = Modules(file.parent)
    module = import_file(file, modules)
    missing = [name for name in REQUIRED if not callable(getattr(module, name, None))]
    if missing:
        raise missing_functions(file, missing, defined_in(module))
    prepare = getattr(module, "prepare_for_eval", None)
    if not (prepare is None or callable(prepare)):
        raise UserError(f"prepare_for_eval in {file} is {type(prepare).__name__}. Allowed: a function, or none at all.")
    return Submission(
        file=file,
        name=submission_name(file),
        prepare_for_eval=prepare,
        wants_train_state="train_state" in inspect.signature(module.update_params).parameters,
        uses_older_name=OLDER_NAME in sys.modules,
        renamed=frozenset(modules.renamed),
        pmap_era=frozenset(modules.pmap_era),
        **{name: getattr(module, name) for name in REQUIRED},
    )


def _extend_import_path(folder: Path) -> None:
    roots = [root.parent for root in folder.parents if root.name == "submissions"][:1]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    for place in (folder.parent, *roots):  # last: a folder named like a library must not hide the library
        if str(place) not in sys.path:
            sys.path.append(str(place))


def import_file(file: Path, modules: Modules, package_name: str = SUBMISSION_PACKAGE) -> Any:
    """Import a file of a submission as a module of a package that stands for its folder.

    Raises UserError, with the place in its code, if that fails.
    """
    modules.install()
    _extend_import_path(file.parent)
    package = importlib.util.module_from_spec(
        importlib.machinery.ModuleSpec(package_name, loader=None, is_package=True)
    )
    package.__path__ = [str(file.parent)]
    sys.modules[package_name] = package
    name = f"{package_name}.{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file, loader=modules.loader(name, str(file)))
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # one that exits must not look like a success
        advice = _advice(error, file.parent)
        raise UserError(
            f"The submission {file} cannot be imported.{advice}\n{submission_traceback(error, file.parent)}"
        ) from error
    return module


def explain_pmap_era(submission: Submission) -> str:
    """One sentence about why a JAX entry of the pmap era does not run."""
    return f"It uses {', '.join(sorted(submission.pmap_era))}: {PMAP_ERA_MEANS}."


def _advice(error: BaseException, folder: Path) -> str:
    """What to do about a module that is not found; empty for other errors."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        own = own_module(folder, error.name.rpartition(".")[2])
        if own is not None:
            return f" {explain_own_module(own, error.name)}"
    needed = _missing_package(error, folder)
    return "" if needed is None else f" {explain_missing(needed, folder)}"


def _missing_package(error: BaseException, folder: Path) -> str | None:
    """The name of a package that is not installed; None if a module is missing in an installed package."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    root = error.name.split(".")[0]
    if root in (SUBMISSION_PACKAGE, "submissions", folder.name) or importlib.util.find_spec(root) is not None:
        return None
    return root
