"""From a request to a finished trial: settles the settings, looks at what is there, starts the processes."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf import seeds
from algoperf.checkpoint.files import checkpoints
from algoperf.data.contracts import place
from algoperf.data.files import make_directory, open_locked
from algoperf.errors import AlgoperfError, CheckpointMismatch, DataError, UserError
from algoperf.records.trial_records import Status, read_status
from algoperf.submission.loading import SEARCH_SPACE_FILE, submission_file, submission_name
from algoperf.trial import process_failures as failures
from algoperf.trial import processes as process_group
from algoperf.trial.settings import CompilePolicy, Ruleset, TrialSettings
from algoperf.tuning import points as tuning
from algoperf.versions import DEFAULT_VERSION, Scale, Version, load_version
from algoperf.versions.cubes import with_cube_limits
from algoperf.workload.definition import Framework
from algoperf.workload.registry import find_workload, model_module


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for; see `algoperf train --help`, which has the same defaults."""

    workload: str
    framework: Framework
    submission: Path
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
    resume: bool = True
    checkpoints: str = "last"
    compile_policy: CompilePolicy = "auto"
    num_processes: int | None = None


def settle(request: Request) -> TrialSettings:
    """Check a request and work out what follows from it. UserError says what is wrong."""
    definition = find_workload(request.workload)
    version = with_cube_limits(load_version(request.version_name), definition.folder)
    version.limits(definition.name, request.scale)
    definition = definition.at(request.scale)
    file = submission_file(request.submission)
    space = _search_space(request, file)
    return TrialSettings(
        definition=definition,
        version=version,
        framework=request.framework,
        submission_file=file,
        ruleset=request.ruleset,
        study=request.study,
        trial=request.trial,
        seed=request.seed,
        hyperparameters=None if space is None else _hyperparameters(request, file, space, version),
        search_space=space,
        data_dir=place(request.data_dir, definition.dataset, request.scale),
        output_dir=request.output_dir,
        max_global_steps=request.max_global_steps,
        eval_every_steps=request.eval_every_steps,
        skip_evals=request.skip_evals,
        keep_checkpoints=None if request.checkpoints == "none" else request.checkpoints,  # type: ignore[arg-type]
        compile_policy=request.compile_policy,
    )


def _search_space(request: Request, file: Path) -> tuning.SearchSpace | None:
    if request.ruleset == "self":
        if request.search_space is not None:
            raise UserError("--search-space goes with --ruleset external; self-tuning has no search space.")
        if request.trial != 1:
            raise UserError(f"Self-tuning has one trial per study; trial {request.trial} was asked for.")
        return None
    return tuning.load_search_space(request.search_space or file.parent / SEARCH_SPACE_FILE)


def _hyperparameters(request: Request, file: Path, space: tuning.SearchSpace, version: Version) -> dict[str, Any]:
    return tuning.trial_point(
        space,
        study=request.study,
        trial=request.trial,
        num_studies=request.num_studies or version.num_studies,
        num_trials=request.num_trials or version.num_trials,
        seed=seeds.derive(request.version_name, submission_name(file), "points", request.seed),
    )


def train(request: Request, arguments: list[str]) -> int:
    """Run a trial and return its exit code. `arguments` repeat the request for further processes."""
    settings = settle(request)
    rank = int(os.environ.get("RANK", "0"))
    if process_group.is_member():
        return _train_as_member(settings, rank, arguments)
    if request.resume and (code := _code_of_finished(settings)) is not None:
        return code
    if rank != 0:
        return _train_here(settings, rank, arguments)
    make_directory(settings.directory)
    lock = open_locked(settings.directory / ".lock")
    if lock is None:
        raise UserError(f"Another process is working on {settings.directory}. Wait for it, or stop it first.")
    with lock:
        # Without a checkpoint the trial begins anew: its rows must not mix with those of an earlier attempt.
        if not request.resume or not checkpoints(settings.directory):
            _move_aside(settings.directory)
        failures.clear(settings.directory)
        num_processes = 1 if "LOCAL_RANK" in os.environ else _num_processes(request)
        if num_processes == 1:
            return _train_here(settings, rank, arguments)
        return _train_in_processes(settings, arguments, num_processes)


def _code_of_finished(settings: TrialSettings) -> int | None:
    """The exit code of a trial that is not to be gone on with: it ended by the rules, or by breaking them.

    CheckpointMismatch if it did so under other settings.
    """
    directory = settings.directory
    status = read_status(directory)
    if status is None or not (status.get("finished") or status.get("status") == Status.RULE_BREACH.label):
        return None
    differences = [
        f"  {key}: it has {status['identity'].get(key, 'nothing')!r}, now it would be {value!r}"
        for key, value in {**dict.fromkeys(status["identity"]), **settings.identity()}.items()
        if status["identity"].get(key) != value
    ]
    if differences:
        raise CheckpointMismatch(
            f"{directory} holds a finished trial of other code or settings:\n" + "\n".join(differences) + "\n"
            "Choose another --output-dir, or start over with --no-resume."
        )
    print(f"already finished: {directory} ({status['status']}: {status['message']})")
    return Status.from_label(status["status"]).exit_code


def _move_aside(directory: Path) -> None:
    """Keep what an earlier trial left, under a name that scoring does not look at."""
    entries = [entry for entry in directory.iterdir() if entry.name != ".lock"]
    if not entries:
        return
    kept = directory.with_name(f".{directory.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    kept.mkdir()
    for entry in entries:
        entry.rename(kept / entry.name)
    print(f"the earlier trial was moved to {kept}")


def _train_here(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    if not settings.data_dir.is_dir():
        name, scale = settings.definition.name, settings.definition.scale
        raise DataError(
            f"There is no data at {settings.data_dir}. Make it with:\n"
            f"  algoperf download --workload {name} --scale {scale}\n"
            f"  algoperf preprocess --workload {name} --scale {scale} --data-dir {settings.data_dir.parents[1]}"
        )
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial.log import TrialLog
    from algoperf.trial.loop import Trial, make_guard
    from algoperf.trial.progress import Progress, make_display

    backend = load_backend(settings.framework)
    model_module(
        settings.definition, settings.framework
    )  # imported now: what the guard knows cannot be replaced unseen
    with closing(make_guard(settings)) as guard:
        submission = load_submission(settings.submission_file)
        log = TrialLog(settings, rank, {"command": ["algoperf", *arguments]})
        progress = Progress(settings, make_display(rank))
        try:
            return Trial(settings, submission, backend, log, progress, guard=guard).run().exit_code
        except KeyboardInterrupt:  # asked to stop twice
            return Status.INTERRUPTED.exit_code


def _num_processes(request: Request) -> int:
    if request.framework != "pytorch":
        if request.num_processes not in (None, 1):
            raise UserError("--num-processes is for PyTorch; in JAX one process drives all devices.")
        return 1
    if request.num_processes is not None:
        return request.num_processes
    from algoperf.frameworks import visible_gpus

    return max(1, visible_gpus())


def _train_in_processes(settings: TrialSettings, arguments: list[str], num_processes: int) -> int:
    """One process per device. What stopped them is told once, by this process."""
    exit_codes = process_group.run([sys.executable, "-m", "algoperf", *arguments], num_processes)
    return failures.explain_end(settings.directory, exit_codes)


def _train_as_member(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    """The part of one of several processes; the one that started them has settled the rest."""
    process_group.die_with_parent()
    try:
        return _train_here(settings, rank, arguments)
    except Exception as error:
        failures.note_error(settings.directory, rank, error)
        return AlgoperfError.exit_code
