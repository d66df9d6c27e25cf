"""What the user asked for, and the settings of the trial that follow from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from algoperf import seeds
from algoperf.data.contracts import dataset_dir
from algoperf.errors import UserError
from algoperf.submission.loading import SEARCH_SPACE_FILE, submission_file, submission_name
from algoperf.submission.model import algorithm_of, find_model, require_in_track
from algoperf.text import counted
from algoperf.trial.devices import has_gpu_driver
from algoperf.trial.settings import CompilePolicy, TrialSettings
from algoperf.tuning.points import trial_point
from algoperf.tuning.ruleset import Ruleset
from algoperf.tuning.search_space import SearchSpace, load_search_space
from algoperf.versions import DEFAULT_VERSION, Scale, Version, load_version
from algoperf.versions.version import with_cube_limits
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.registry import find_workload

_UNREACHABLE = 1e9  # as a target or as seconds


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for; see `algoperf train --help`, which has the same defaults.

    In the algorithm track there is a `submission`, in the model track a `model`.
    """

    workload: str
    framework: Framework
    submission: Path | None = None
    model: Path | None = None
    ruleset: Ruleset
    data_dir: Path
    output_dir: Path
    search_space: Path | None = None
    study: int = 1
    trial: int = 1
    num_studies: int | None = None
    num_trials: int | None = None
    seed: int = 0
    scale: Scale = "full"
    version_name: str = DEFAULT_VERSION
    max_global_steps: int | None = None
    eval_every_steps: int | None = None
    skip_evals: bool = False
    to_the_end: bool = False
    resume: bool = True
    checkpoints: str = "last"
    compile_policy: CompilePolicy = "auto"
    num_processes: int | None = None
    share: bool = False
    verify: bool = True
    evaluation: Literal["auto", "apart", "together"] = "auto"


def where_evaluated(request: Request, num_processes: int) -> Literal["apart", "together"]:
    """Where the evaluations of a trial of so many processes are made.

    "auto" is apart if there is one process, and it is on the CPU: a GPU may not have the memory for two. A submitted
    model is the submission's code, which a clean process never loads.
    """
    if request.evaluation != "auto":
        return request.evaluation
    may_be_apart = num_processes == 1 and request.model is None and not request.skip_evals
    return "apart" if may_be_apart and not has_gpu_driver() else "together"


def settle(request: Request) -> TrialSettings:
    """Check a request and derive the settings of the trial. Raises UserError."""
    definition = find_workload(request.workload)
    version = with_cube_limits(load_version(request.version_name), definition.folder)
    version.limits(definition.name, request.scale)
    _check_study(request, version)
    if request.to_the_end:
        version = _to_the_end(request, version, definition.name)
    definition, file = _submitted(request, definition.at(request.scale))
    space = _search_space(request, file)
    return TrialSettings(
        definition=definition,
        version=version,
        framework=request.framework,
        submission_file=file,
        track="algorithm" if request.model is None else "model",
        ruleset=request.ruleset,
        study=request.study,
        trial=request.trial,
        seed=request.seed,
        hyperparameters=None if space is None else _hyperparameters(request, file, space, version),
        search_space=space,
        data_dir=dataset_dir(request.data_dir, definition.dataset, request.scale),
        output_dir=request.output_dir,
        max_global_steps=request.max_global_steps,
        eval_every_steps=request.eval_every_steps,
        skip_evals=request.skip_evals,
        to_the_end=request.to_the_end,
        keep_checkpoints=None if request.checkpoints == "none" else request.checkpoints,  # type: ignore[arg-type]
        compile_policy=request.compile_policy,
    )


def _submitted(request: Request, definition: WorkloadDefinition) -> tuple[WorkloadDefinition, Path]:
    """The workload, with the submitted model if there is one, and the file of the training algorithm."""
    if request.model is None:
        if request.submission is None:
            raise UserError("Nothing to train: give --submission, or --model for the model track.")
        return definition, submission_file(request.submission)
    if request.submission is not None:
        raise UserError(
            "--model and --submission are for different tracks: a model brings its training algorithm along, "
            "as submission.py in its folder. Leave one out."
        )
    if request.ruleset != "self":
        raise UserError("The model track has no search spaces: leave --ruleset out, or say --ruleset self.")
    if request.evaluation == "apart":
        raise UserError(
            "--evaluation apart is for the algorithm track: the model is the submission's code here, which a clean "
            "process never loads. `algoperf evaluate --model` evaluates it."
        )
    require_in_track(definition, request.framework)
    model = find_model(request.model)
    file = algorithm_of(model, request.framework)
    if model is None:
        return definition, file
    model.require_functions(request.framework, definition)
    return definition.with_model(model), file


def _check_study(request: Request, version: Version) -> None:
    planned = request.num_studies or version.num_studies
    if request.study > planned:
        planned_by = "--num-studies says" if request.num_studies else f"{version.name} has"
        points = " It also changes which points are drawn." if request.ruleset == "external" else ""
        raise UserError(
            f"Study {request.study} was asked for, but {planned_by} {counted(planned, 'study', 'studies')}. "
            f"For more, say how many: --num-studies {request.study}.{points}"
        )


def _to_the_end(request: Request, version: Version, workload: str) -> Version:
    """The version with limits that end no run: target and budget are out of reach, steps are planned for all of them.

    They are numbers, and not infinite, since submissions and records see them.
    """
    if request.max_global_steps is None:
        raise UserError("--to-the-end needs the end: give the number of steps with --max-global-steps.")
    limits = version.limits(workload, request.scale)
    endless = dataclasses.replace(
        limits,
        validation_target=_UNREACHABLE if limits.goal == "max" else -_UNREACHABLE,
        max_runtime_sec=_UNREACHABLE,
        step_hint=request.max_global_steps,
    )
    scales = {**version.table[workload], request.scale: endless}
    return dataclasses.replace(version, table={**version.table, workload: scales})


def _search_space(request: Request, file: Path) -> SearchSpace | None:
    if request.ruleset == "self":
        if request.search_space is not None:
            raise UserError("--search-space goes with --ruleset external; self-tuning has no search space.")
        if request.trial != 1:
            raise UserError(f"Self-tuning has one trial per study; trial {request.trial} was asked for.")
        return None
    return load_search_space(request.search_space or file.parent / SEARCH_SPACE_FILE)


def _hyperparameters(request: Request, file: Path, space: SearchSpace, version: Version) -> dict[str, Any]:
    return trial_point(
        space,
        study=request.study,
        trial=request.trial,
        num_studies=request.num_studies or version.num_studies,
        num_trials=request.num_trials or version.num_trials,
        seed=seeds.derive(request.version_name, submission_name(file), "points", request.seed),
    )
