"""Writes a submission to start from: small, typed, documented, tested, and runnable."""

from __future__ import annotations

import getpass
import itertools
import keyword
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from algoperf.errors import UserError
from algoperf.submission.loading import SEARCH_SPACE_FILE
from algoperf.submission.model import require_in_track
from algoperf.submission.naming import name_flaw
from algoperf.submission.track import MODEL_FILES, PUBLISHED, Track, is_model
from algoperf.task import Form
from algoperf.tuning.ruleset import Ruleset
from algoperf.workload.definition import FRAMEWORKS, Framework
from algoperf.workload.registry import find_workload
from algoperf.workload.tasks import task_of

_RULESETS_IN_WORDS: dict[Ruleset, str] = {"external": "external", "self": "self-tuning"}
_MODELS_IN_WORDS = {"dense": "Two dense layers", "decoding": "A small Transformer that translates"}
_FRAMEWORKS: dict[Framework, tuple[str, str]] = {"jax": ("JAX", "optax"), "pytorch": ("PyTorch", "torch")}
FIRST_WORKLOAD = "digits"
_IMAGE_AXES = 4
_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".j2"
_TEST = "test_submission.py"  # written as test_<name>.py: pytest takes files of one name for one module
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class NewSubmission:
    """What to write.

    Attributes:
      folder: where; its own name is the submission's.
      track: "algorithm", or "model", which has no rulesets.
      framework: "jax" or "pytorch".
      ruleset: "external" (with a search space) or "self".
      authors: for submission_info.yml.
      workload: in the model track, the data set that the model is for.
    """

    folder: Path
    framework: Framework
    ruleset: Ruleset
    authors: str
    track: Track = "algorithm"
    workload: str = FIRST_WORKLOAD

    @property
    def name(self) -> str:
        """The name under which runs are filed."""
        return self.folder.name


def create(new: NewSubmission, root: Path) -> list[Path]:
    """Write the files of a new submission; returns them.

    Raises UserError if the name is not allowed, or taken anywhere below `root`.
    """
    check_name(new.name)
    taken = next((path for path in sorted(root.rglob(new.name)) if _is_submission(path)), None)
    if taken is None and new.folder.exists():
        taken = new.folder
    if taken is not None:
        raise UserError(
            f"There is a submission {new.name!r} already: {taken}. Runs are filed by that name: choose another, "
            f"for example {_free_name(new.name, root)!r}, or remove the folder."
        )
    return write(new)


def write(new: NewSubmission, base: Path = Path()) -> list[Path]:
    """Write the files into the folder, relative to `base`. It must not exist yet."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    folder, written = base / new.folder, []
    templates, variables = _templates(new), _variables(new)  # a mistake is said before anything is written
    folder.mkdir(parents=True)
    for template in templates:
        file = folder / template.name.removesuffix(_SUFFIX).replace(_TEST, f"test_{new.name}.py")
        place = template.relative_to(_TEMPLATES).as_posix()
        file.write_text(environment.get_template(place).render(variables), encoding="utf-8")
        written.append(file)
    return written


def _templates(new: NewSubmission) -> list[Path]:
    """The templates of the files to write."""
    if new.track == "model":
        left_out = {name for framework, name in MODEL_FILES.items() if framework != new.framework}
        found = [*(_TEMPLATES / "model").glob(f"*{_SUFFIX}"), _TEMPLATES / f"requirements.txt{_SUFFIX}"]
        if model_kind(new.workload) == "decoding":
            replaced = {path.name: path for path in (_TEMPLATES / "decoding").glob(f"*{_SUFFIX}")}
            found = [replaced.get(path.name, path) for path in found]
    else:
        left_out = {SEARCH_SPACE_FILE} if new.ruleset != "external" else set()
        found = list(_TEMPLATES.glob(f"*{_SUFFIX}"))
    return sorted(template for template in found if template.name.removesuffix(_SUFFIX) not in left_out)


def model_kind(workload: str) -> Literal["dense", "decoding"]:
    """Which model there is to start from for a data set. Raises UserError if there is none."""
    definition = find_workload(workload)
    for framework in FRAMEWORKS:
        require_in_track(definition, framework)
    if definition.evaluation.end_id is not None:
        return "decoding"
    inputs = task_of(definition, "jax").inputs
    if isinstance(inputs, Form) and len(inputs.shape) == _IMAGE_AXES and definition.dataset.num_classes is not None:
        return "dense"
    raise UserError(
        f"There is no model to start from for {definition.name}: there are models for pictures with classes, such as "
        f"{FIRST_WORKLOAD}, and for translations. Leave --workload out, and change build(task) in what is written; "
        "docs/model-track.md says what a model of each data set is given."
    )


def _is_submission(folder: Path) -> bool:
    return is_model(folder) or (folder / "submission.py").is_file()


def _variables(new: NewSubmission) -> dict[str, Any]:
    title, library = _FRAMEWORKS[new.framework]
    return {
        "title": new.name.replace("_", " ").capitalize(),
        "folder": new.folder.as_posix(),
        "authors": new.authors,
        "framework": new.framework,
        "framework_title": title,
        "library": library,
        "ruleset": new.ruleset,
        "ruleset_in_words": _RULESETS_IN_WORDS[new.ruleset],
        "workload": new.workload,
        "model_in_words": _MODELS_IN_WORDS[model_kind(new.workload)] if new.track == "model" else "",
    }


def check_name(name: str) -> None:
    """Raise UserError, with the nearest allowed name, if a name is not allowed."""
    if _NAME.fullmatch(name) and not keyword.iskeyword(name) and not name_flaw(name) and name != PUBLISHED:
        return
    nearest = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "my_submission"
    if not nearest[0].isalpha() or keyword.iskeyword(nearest) or name_flaw(nearest) or nearest == PUBLISHED:
        nearest = f"my_{nearest}"
    raise UserError(
        f"The name {name!r} will not do: it becomes a folder and a Python package. Allowed: lower-case letters, "
        f"digits and _, beginning with a letter, no word of Python's, not 'report' or 'published'. Try {nearest!r}."
    )


def _free_name(name: str, root: Path) -> str:
    others = {path.name for path in root.rglob("*") if _is_submission(path)}
    return next(free for free in (f"{name}_{number}" for number in itertools.count(2)) if free not in others)


def texts_to_replace() -> dict[str, tuple[str, ...]]:
    """Texts of the templates that say nothing of anybody's submission, by the name of their file."""
    places = (_TEMPLATES, _TEMPLATES / "model")
    info = [(place / f"submission_info.yml{_SUFFIX}").read_text("utf-8") for place in places]
    readme = [(place / f"README.md{_SUFFIX}").read_text("utf-8") for place in places]
    return {
        "submission_info.yml": tuple(text.rpartition("description: ")[2].strip() for text in info),
        "README.md": tuple(text.split("\n\n")[1] for text in readme),
    }


def default_authors() -> str:
    """The user's name in git, else the login name."""
    try:
        asked = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return getpass.getuser()
    return asked.stdout.strip() or getpass.getuser()
