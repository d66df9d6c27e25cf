"""Makes the manifest of a campaign: all runs of all submissions, and how long they take."""

from __future__ import annotations

import functools
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from algoperf._version import __version__
from algoperf.campaigns.estimate import estimate
from algoperf.campaigns.manifest import THREADS, Manifest, PlannedRun
from algoperf.campaigns.outcomes import Rules
from algoperf.errors import UserError
from algoperf.readers.yaml_text import read_yaml
from algoperf.records.environment import harness_hash, python_hashes
from algoperf.submission.identity import combined_hash
from algoperf.submission.model import entry_hashes
from algoperf.submission.track import PUBLISHED, Track
from algoperf.trial.devices import has_gpu_driver
from algoperf.trial.settings import TrialSettings, submission_hash
from algoperf.workload.definition import WorkloadDefinition

ALL, STEP = ".all", ".step "  # no submission can be called so
_TMP = re.compile(r"--tmpfs=/tmp:\S*size=(\w+)")


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What to plan: how the benchmark is played, where things are, and what runs are started with."""

    version: str
    ruleset: str
    scale: str
    launcher: str
    accelerator: str
    rules: Rules
    data_dir: Path
    raw_dir: Path
    logs: Mapping[str, Sequence[Path]]
    """By scale: recorded runs to estimate times from."""
    track: Track = "algorithm"


class Trial(NamedTuple):
    """A trial to plan: its settings, the command that runs it, and its step of the ladder, if there is one."""

    settings: TrialSettings
    command: Sequence[str]
    step: str = ""


def make_manifest(request: PlanRequest, trials: Sequence[Trial], ladder: Mapping[str, Any]) -> Manifest:
    """The manifest of a campaign of these trials. Raises UserError if two submissions have one name.

    Runs have as many threads as OMP_NUM_THREADS says now; else one, or on GPUs as many as PyTorch and JAX choose.
    """
    root = Path.cwd()
    submissions, workloads, runs = dict[str, Any](), dict[str, Any](), []
    for settings, command, step in trials:
        known = submissions.setdefault(settings.submission, {"path": _below(root, _given(settings))})
        if known["path"] != _below(root, _given(settings)):
            raise UserError(
                f"Two submissions are called {settings.submission!r}: {known['path']} and {_given(settings)}."
            )
        if "files" not in known:
            known |= {"framework": settings.framework, "hash": submission_hash(settings.identity())}
            known["files"] = entry_hashes(_given(settings), settings.track, settings.framework)
        run = _run(settings, [_relative(root, word) for word in command], step)
        workload = workloads.setdefault(run.place, {})
        if not workload:
            workload |= _workload(request, settings, root)
        if settings.framework not in workload["seconds"]:
            workload["seconds"][settings.framework] = _seconds(request, settings)
        runs.append(run)
    return Manifest(
        campaign=secrets.token_hex(5),
        algoperf=__version__,
        harness_hash=harness_hash(),
        root=str(root),
        version=request.version,
        ruleset=request.ruleset,
        scale=request.scale,
        track=request.track,
        threads=_threads(request),
        launcher=request.launcher,
        rules=vars(request.rules),
        ladder=ladder,
        data={"data_dir": _below(root, request.data_dir), "raw_dir": _below(root, request.raw_dir)},
        submissions=submissions,
        workloads=workloads,
        runs=runs,
    )


def _threads(request: PlanRequest) -> int:
    """OMP_NUM_THREADS of every run; 0 for none. Small models on processors are by far the fastest with one."""
    said = os.environ.get(THREADS, "").strip()
    if said and not (said.isdecimal() and int(said)):
        raise UserError(f"{THREADS} is {said!r}. Allowed: a whole number, such as 1. Correct it, or unset it.")
    if said:
        return int(said)
    return 0 if request.accelerator != "cpu" or has_gpu_driver() else 1


def in_turn(
    submissions: Sequence[Any], workloads: Sequence[str], studies: int, trials: int, plan: Callable[..., Any]
) -> list[Any]:
    """`plan(submission, workload, study, trial)` for all runs: first studies first, so that early results compare."""
    return [
        plan(submission, workload, study, trial)
        for study in range(1, studies + 1)
        for trial in range(1, trials + 1)
        for workload in workloads
        for submission in submissions
    ]


def _run(settings: TrialSettings, command: Sequence[str], step: str) -> PlannedRun:
    return PlannedRun(
        submission=settings.submission,
        workload=settings.definition.name,
        framework=settings.framework,
        study=settings.study,
        trial=settings.trial,
        seed=settings.trial_seed,
        point=settings.hyperparameters,
        command=tuple(command),
        step=step,
    )


def _workload(request: PlanRequest, settings: TrialSettings, root: Path) -> dict[str, Any]:
    definition = settings.definition
    files = python_hashes(definition.folder)
    memory, tmp = _limits(definition.folder)
    return {
        "cube": _below(root, definition.folder),
        "cube_hash": combined_hash(files),
        "files": files,
        "scale": settings.definition.scale,
        "dataset": definition.dataset.name,
        "data_hash": None,
        "image": _image(request, definition),
        "image_digest": None,
        "memory": memory,
        "tmp": tmp,
        "seconds": {},
    }


def _seconds(request: PlanRequest, settings: TrialSettings) -> dict[str, Any]:
    budget = settings.budget_sec
    definition, logs = settings.definition, request.logs[settings.definition.scale]
    found = estimate(definition.name, settings.framework, request.ruleset, budget, logs)
    source = f"{found.source}, with published models" if request.track == "model" else found.source
    return {"budget": budget, "at_most": round(found.bound_sec, 1), "probably": round(found.estimate_sec, 1),
            "known_from": source}  # fmt: skip


def _image(request: PlanRequest, definition: WorkloadDefinition) -> str | None:
    """The image of a cube, as ci/images.sh calls it."""
    if request.launcher == "process":
        return None
    name = f"algoperf-{definition.folder.name}"
    return f"{name}-{request.accelerator}.sif" if request.launcher == "apptainer" else f"{name}:{request.accelerator}"


@functools.cache
def _limits(cube: Path) -> tuple[str, str]:
    """Memory and size of /tmp that a cube's container has, as its mlcube.yaml says."""
    file = cube / "mlcube.yaml"
    content = read_yaml(file) if file.is_file() else {}
    found = _TMP.search(str(content.get("walls", "")))
    return str(content.get("docker", {}).get("--memory", "8g")), found[1] if found else "2g"


def _given(settings: TrialSettings) -> Path:
    """What would be given: a submission's folder, or its file if that is not called submission.py; or a model."""
    if settings.track == "model":
        return Path(PUBLISHED) if settings.model is None else settings.model.folder
    file = settings.submission_file
    return file.parent if file.stem == "submission" else file


def _below(root: Path, path: Path) -> str:
    """A path relative to the root if it lies below it."""
    absolute = path.absolute()
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)


def _relative(root: Path, word: str) -> str:
    return _below(root, Path(word)) if Path(word).is_absolute() else word


def totals(manifest: Manifest) -> dict[str, dict[str, float]]:
    """Number of runs and hours, at most and probably, of every step and submission, and of ALL of them."""
    found: dict[str, dict[str, float]] = {}
    for run in manifest.runs:
        seconds: Mapping[str, float] = manifest.workload_of(run)["seconds"][run.framework]
        for name in (*([f"{STEP}{run.step}"] if run.step else []), run.submission, ALL):
            row = found.setdefault(name, {"runs": 0, "at_most": 0.0, "probably": 0.0})
            row["runs"] += 1
            row["at_most"] += seconds["at_most"] / 3600
            row["probably"] += seconds["probably"] / 3600
    found[ALL] = found.pop(ALL)  # last
    return found
