"""A model submission: a folder with `model_jax.py` or `model_torch.py`, which build a model for a task.

It stands in the place of a cube's model module. Data, inputs, loss of the evaluation and metric stay those of the cube.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from algoperf.errors import SubmissionError, UserError, nearest
from algoperf.submission.decoding import SIGNATURES, decoded
from algoperf.submission.framework import TITLES, framework_to_train
from algoperf.submission.functions import defined_in, missing_functions, require_functions
from algoperf.submission.identity import code_hashes
from algoperf.submission.loading import import_file, submission_file
from algoperf.submission.naming import require_name
from algoperf.submission.tracebacks import submission_traceback
from algoperf.submission.track import ALGORITHM_FILE, MODEL_FILES, PUBLISHED, Track
from algoperf.submission.translation import Modules
from algoperf.task import Task
from algoperf.workload.definition import FRAMEWORKS, Framework, WorkloadDefinition
from algoperf.workload.registry import REPOSITORY_CUBES, decodes, load_cube
from algoperf.workload.tasks import task_of

_KEPT = ("model_inputs", "train_weights")  # of the cube: they belong to the input pipeline
MODEL_PACKAGE = "algoperf_model"
BASELINES: Mapping[Framework, str] = {"jax": "nadamw_jax", "pytorch": "nadamw_pytorch"}
"""The training algorithm of a model submission that brings none."""
NOT_MADE_FOR = "says that it is not made for"
"""What messages say of a data set that a model is not made for: there, `build` raises ValueError."""
_MEMBERS: Mapping[Framework, tuple[str, ...]] = {"jax": ("init", "apply"), "pytorch": ("forward", "parameters")}
_MODULES: Mapping[Framework, str] = {"jax": "flax.linen.Module", "pytorch": "torch.nn.Module"}


@dataclass(frozen=True)
class SubmittedModel:
    """A model submission by its folder. It implements `workload.definition.ModelSource`."""

    folder: Path

    @property
    def name(self) -> str:
        """The name under which runs are filed."""
        return self.folder.name

    @property
    def frameworks(self) -> tuple[Framework, ...]:
        """The frameworks that there is a model in."""
        return tuple(name for name in FRAMEWORKS if (self.folder / MODEL_FILES[name]).is_file())

    @property
    def own_algorithm(self) -> Path | None:
        """Its training algorithm; None if it uses the baseline."""
        file = self.folder / ALGORITHM_FILE
        return file if file.is_file() else None

    def file(self, framework: Framework) -> Path:
        """The file that builds the model. Raises UserError if there is none for a framework."""
        if framework not in self.frameworks:
            has = " and ".join(TITLES[name] for name in self.frameworks)
            raise UserError(
                f"The model {self.folder} has no {MODEL_FILES[framework]}: it is written for {has}. "
                f"Leave --framework out, or say --framework {self.frameworks[0]}."
            )
        return self.folder / MODEL_FILES[framework]

    def require_functions(self, framework: Framework, definition: WorkloadDefinition | None = None) -> None:
        """Raise UserError if the file does not define what every workload needs, or the one given; by its text."""
        for name, why in _needed(framework, definition).items():
            require_functions(self.file(framework), [name], why)

    def code_hashes(self, framework: Framework) -> dict[str, str]:
        """SHA-256 of the files that build the model, by path relative to the folder."""
        return code_hashes(self.file(framework))

    def in_place_of(self, published: Any, definition: WorkloadDefinition, framework: Framework) -> Any:
        """See ModelSource. A model is never given a batch, but its inputs, which the cube's module takes from it."""
        require_in_track(definition, framework)
        file = self.file(framework)
        module = import_file(file, Modules(self.folder), MODEL_PACKAGE)
        for name, why in _needed(framework, definition).items():
            if not callable(getattr(module, name, None)):
                raise missing_functions(file, [name], defined_in(module), why)
        more = {}
        if decodes(definition, framework):
            more["evaluate"] = functools.partial(decoded, module.decode, file, framework, _num_tokens(definition))
        return SimpleNamespace(
            build=functools.partial(_build, module.build, file, framework),
            output_params=functools.partial(_output_params, module),
            COMPILE=frozenset(getattr(module, "COMPILE", ())),
            **{name: getattr(published, name) for name in _KEPT if hasattr(published, name)},
            **more,
        )


def _needed(framework: Framework, definition: WorkloadDefinition | None) -> dict[str, str]:
    """The functions that a model must define, for any workload or the one given, and what is said about each."""
    needed = {"build": "docs/model-track.md says what build(task) is given and returns."}
    if definition is not None and decodes(definition, framework):
        needed["decode"] = (
            f"The metric of {definition.name} is computed from what {SIGNATURES[framework]} returns: see "
            "docs/model-track.md."
        )
    return needed


def require_in_track(definition: WorkloadDefinition, framework: Framework) -> None:
    """Raise UserError if there are no submitted models for a workload."""
    base = load_cube(definition.folder)
    if definition.name != base.name:
        raise UserError(
            f"{definition.name} is a variant of the model of {base.name}: in the model track there is only its data. "
            f"Say --workload {base.name}."
        )
    if decodes(definition, framework) and base.evaluation.decoded is None:
        raise UserError(
            f"{definition.name} is not in the model track: its metric is computed from what a model decodes, and its "
            "cube does not say how that is evaluated for a submitted model (`decoded` of its Evaluation)."
        )


def find_model(path: Path) -> SubmittedModel | None:
    """The model submission in a folder; None for `published`. Raises UserError if there is none."""
    if str(path) == PUBLISHED:
        return None
    if not path.is_dir():
        known = {folder.name: folder for folder in _models_near(path)}
        found = nearest(path.name, known)
        hint = "" if found is None else f" Did you mean '{known[found]}'?"
        what = "is not a folder" if path.exists() else "does not exist"
        raise UserError(
            f"The model {path} {what}.{hint} Give a folder with {' or '.join(MODEL_FILES.values())}, "
            f"or '{PUBLISHED}' for the model of the benchmark."
        )
    model = SubmittedModel(path.resolve())
    if not model.frameworks:
        if (path / ALGORITHM_FILE).is_file():
            raise UserError(
                f"The folder {path} has no {' or '.join(MODEL_FILES.values())} but a {ALGORITHM_FILE}: this is a "
                f"training algorithm. Give it as --submission {path}, or leave --track model out."
            )
        holds = ", ".join(sorted(entry.name for entry in path.iterdir())) or "nothing"
        raise UserError(f"The folder {path} has no {' or '.join(MODEL_FILES.values())}. It holds: {holds}.")
    if require_name(model.name) == PUBLISHED:
        raise UserError(
            f"A model submission cannot be called {PUBLISHED!r}: that is the benchmark's own model. Rename its folder."
        )
    return model


def model_framework(model: SubmittedModel | None, asked: Framework | None) -> Framework:
    """The framework to train a model in: the one asked for, else the only one that it is written in.

    Raises UserError if it is not written for the one asked for, if none was asked for and there are several, or if the
    model or its training algorithm misses a function.
    """
    framework = _model_framework(model, asked)
    if model is not None:
        model.require_functions(framework)
        if model.own_algorithm is not None:
            framework_to_train(model.own_algorithm, framework)
    return framework


def _model_framework(model: SubmittedModel | None, asked: Framework | None) -> Framework:
    if asked is not None:
        return asked
    frameworks = FRAMEWORKS if model is None else model.frameworks
    if len(frameworks) == 1:
        return frameworks[0]
    if model is not None and model.own_algorithm is not None:
        return framework_to_train(model.own_algorithm, None)
    what = "The published model" if model is None else f"The model {model.folder}"
    raise UserError(
        f"{what} is written for {' and '.join(TITLES[name] for name in frameworks)}. "
        f"Say --framework {' or --framework '.join(frameworks)}."
    )


def algorithm_of(model: SubmittedModel | None, framework: Framework) -> Path:
    """The file of the training algorithm: the submission's own, else the NAdamW baseline of the framework."""
    if model is not None and model.own_algorithm is not None:
        framework_to_train(model.own_algorithm, framework)
        return model.own_algorithm
    baseline = REPOSITORY_CUBES.parent / "submissions" / "baselines" / BASELINES[framework] / ALGORITHM_FILE
    if not baseline.is_file():
        raise UserError(f"The baseline {baseline}, which trains models, is not there. Use a clone of the repository.")
    return baseline


def entry_hashes(path: Path, track: Track, framework: Framework) -> dict[str, str]:
    """SHA-256 of all code of what is submitted, as campaigns record it: for models, with the training algorithm's."""
    if track == "algorithm":
        return code_hashes(submission_file(path))
    model = find_model(Path(PUBLISHED) if path.name == PUBLISHED else path)
    own = {} if model is None else {f"model {name}": digest for name, digest in model.code_hashes(framework).items()}
    return {**own, **code_hashes(algorithm_of(model, framework))}


def _models_near(path: Path) -> list[Path]:
    roots = (Path("submissions"), path.parent)
    files = [file for name in MODEL_FILES.values() for root in roots for file in root.glob(f"**/{name}")]
    return sorted({file.parent for file in files})


def _build(build: Callable[[Task], Any], file: Path, framework: Framework, definition: WorkloadDefinition) -> Any:
    try:
        model = build(task_of(definition, framework))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        own_frames = submission_traceback(error, file.parent)
        what = NOT_MADE_FOR if isinstance(error, ValueError) else "failed for"
        raise SubmissionError(f"build(task) in {file} {what} {definition.name}.\n{own_frames}") from error
    if not all(callable(getattr(model, member, None)) for member in _MEMBERS[framework]):
        raise UserError(f"build(task) in {file} returned {type(model).__name__}. Allowed: a {_MODULES[framework]}.")
    return model


def _num_tokens(definition: WorkloadDefinition) -> int:
    """Room in a row of targets."""
    return int(definition.example_batch()["targets"].shape[1])


def _output_params(module: Any, definition: WorkloadDefinition) -> frozenset[str]:
    """Names of the output layer's parameters: what the module calls OUTPUT_PARAMS."""
    del definition
    return frozenset(getattr(module, "OUTPUT_PARAMS", ()))
