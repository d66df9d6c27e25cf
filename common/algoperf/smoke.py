"""Runs a submission on every workload at scale mini: does the idea work at all?"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.data.prepare import prepare as prepare_dataset
from algoperf.errors import UserError, unknown
from algoperf.records.layout import trial_dir
from algoperf.records.status import Status, read_status
from algoperf.submission.loading import submission_file, submission_name
from algoperf.submission.model import BASELINES, NOT_MADE_FOR, entry_hashes, find_model
from algoperf.submission.track import PUBLISHED
from algoperf.system import algoperf_command, followed
from algoperf.text import counted
from algoperf.trial.machine_watch import load_warnings, was_busy
from algoperf.versions import Scale, Version
from algoperf.waiting import Say
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.registry import cube_folders, load_cube

SCALE: Scale = "mini"
LOG_FILE = "log.txt"
BASELINE_FILE = Path(__file__).with_name("smoke_baseline.toml")
_SHOWN_CHARACTERS = 300
_POLL_SEC = 0.5


@dataclass(frozen=True)
class SmokeRun:
    """How a submission did on one workload.

    Attributes:
      workload: its name.
      reached: whether the validation target was reached.
      verdict: one line with the time to target, or why it was not reached.
      log: what the run printed.
      warnings: of other programs that kept the machine busy, and of too many threads.
      is_asked: whether it is asked to reach the target; a model is not on data sets that it is not made for.
      has_failed: whether an error ended it.
    """

    workload: str
    reached: bool
    verdict: str
    log: Path
    warnings: tuple[str, ...] = ()
    is_asked: bool = True
    has_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class SmokeSettings:
    """What to run, and where.

    Attributes:
      submission: the submission's folder or file; None in the model track.
      model: the model's folder, or `published`; None in the other track.
      framework: its framework.
      ruleset: "self" or "external"; external tuning runs the first trial of the first study.
      version: benchmark version.
      seed: all randomness follows from it.
      raw_dir, data_dir: raw and preprocessed data of all datasets.
      output_dir: where runs are written; earlier smoke runs of the submission there are removed.
      share: whether to train beside other trials instead of waiting for the devices.
    """

    submission: Path | None
    model: Path | None = None
    framework: Framework
    ruleset: str
    version: Version
    seed: int
    raw_dir: Path
    data_dir: Path
    output_dir: Path
    share: bool = False

    @property
    def name(self) -> str:
        """The name under which runs are filed."""
        if self.model is None:
            assert self.submission is not None
            return submission_name(submission_file(self.submission))
        found = find_model(self.model)
        return PUBLISHED if found is None else found.name

    def code(self) -> dict[str, str]:
        """Hashes of the files that the runs use."""
        if self.model is None:
            assert self.submission is not None
            return entry_hashes(self.submission, "algorithm", self.framework)
        return entry_hashes(self.model, "model", self.framework)


def mini_workloads(version: Version) -> dict[str, WorkloadDefinition]:
    """All cubes that have limits at scale mini, by name."""
    definitions = [load_cube(folder) for folder in cube_folders().values()]
    return {each.name: each.at(SCALE) for each in definitions if SCALE in version.table.get(each.name, {})}


def baseline(names: Sequence[str], framework: Framework, version: Version) -> tuple[str, dict[str, int]]:
    """The baseline to compare with, and the steps that it needed, by workload, where they are recorded."""
    recorded = tomllib.loads(BASELINE_FILE.read_text(encoding="utf-8"))
    steps = {
        name: row[framework]
        for name, row in recorded.items()
        if name in names and row["target"] == version.limits(name, SCALE).validation_target
    }
    return BASELINES[framework], steps


def prepare(definition: WorkloadDefinition, settings: SmokeSettings) -> None:
    """Make the workload's miniature data if it does not exist."""
    prepare_dataset(definition.dataset, SCALE, settings.raw_dir, settings.data_dir)


def earlier_runs(settings: SmokeSettings) -> Path | None:
    """The folder with the submission's earlier smoke runs, which are replaced one by one; None if there are none."""
    folder = settings.output_dir / settings.name
    return folder if folder.is_dir() else None


def run(definition: WorkloadDefinition, settings: SmokeSettings, say: Say) -> SmokeRun:
    """Train in a separate process, so that a crash ends only one run; `say` gets its name and its latest words."""
    folder = trial_dir(settings.output_dir, settings.name, 1, definition.name, settings.framework, 1)
    log = folder.parent / LOG_FILE
    if folder.parent.is_dir():
        shutil.rmtree(folder.parent)
    log.parent.mkdir(parents=True)
    command = _command(definition, settings)
    environment = {**os.environ, **followed()}
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            while (code := _wait(process)) is None:
                say(f"{definition.name}: {progress(log)}")
        except BaseException:
            process.terminate()
            raise
    warnings = tuple(load_warnings(read_status(folder) or {}))
    return dataclasses.replace(_judge(definition, settings, folder, log, code), warnings=warnings)


def progress(log: Path) -> str:
    """What a run said last of how it stands: warnings are said once, when it has ended, and who waits counts itself."""
    lines = [line for line in _lines(log) if not line.startswith("warning: ")]
    return " | ".join(part for part in (lines or ["training"])[-1].split(" | ") if not part.endswith(" so far"))


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process; None if it has not ended for a while."""
    try:
        return process.wait(_POLL_SEC)
    except subprocess.TimeoutExpired:
        return None


def _command(definition: WorkloadDefinition, settings: SmokeSettings) -> Sequence[str]:
    options = {
        "workload": definition.folder,
        "scale": SCALE,
        "framework": settings.framework,
        **({"submission": settings.submission} if settings.model is None else {"model": settings.model}),
        "ruleset": settings.ruleset,
        "version": settings.version.name,
        "seed": settings.seed,
        "data-dir": settings.data_dir,
        "output-dir": settings.output_dir,
        "checkpoints": "none",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return algoperf_command("train", *given, *(["--share"] if settings.share else []))


def _judge(definition: WorkloadDefinition, settings: SmokeSettings, folder: Path, log: Path, code: int) -> SmokeRun:
    status = read_status(folder) or {}
    reached = status.get("target_reached_at")
    if reached and code == 0:
        verdict = f"reached in {reached['submission_sec']:.2f} s, {counted(reached['global_step'], 'step')}"
        return SmokeRun(definition.name, True, verdict, log)
    limits = settings.version.limits(definition.name, SCALE)
    sign = ">=" if limits.goal == "max" else "<="
    metrics = (status.get("last_evaluation") or {}).get("metrics") or {}
    last = metrics.get(f"validation/{limits.metric}")
    target = f"validation/{limits.metric} {_number(last)}, target {sign} {limits.validation_target:g}"
    if code == 0:
        ended = Status.from_label(status["status"])
        steps = f"{counted(status['global_step'], 'step')} in {status['seconds']['submission']:.1f} s"
        _, needed = baseline([definition.name], settings.framework, settings.version)
        was_slow = status["global_step"] < needed.get(definition.name, math.inf)  # with more, the machine is no excuse
        is_late = ended is Status.BUDGET_SPENT and was_slow and was_busy(load_warnings(status))
        busy = "the machine was busy: try again when it is idle; " if is_late else ""
        return SmokeRun(definition.name, False, f"not reached ({ended.label}): {target}; {busy}{steps}", log)
    message = status.get("message") or _last_line(log, "it printed nothing")
    if settings.model is not None and f"{NOT_MADE_FOR} {definition.name}" in log.read_text(errors="replace"):
        return SmokeRun(definition.name, False, "the model is not made for it", log, is_asked=False)
    label = status.get("status", f"exit code {code}")
    return SmokeRun(definition.name, False, f"failed ({label}): {message[:_SHOWN_CHARACTERS]}", log, has_failed=True)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "unknown"


def _last_line(log: Path, default: str) -> str:
    lines = _lines(log)
    return lines[-1] if lines else default


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()


def choose(names: Sequence[str] | None, version: Version) -> list[WorkloadDefinition]:
    """The mini workloads with these names; all for None. Raises UserError for an unknown name."""
    available = mini_workloads(version)
    if names is None:
        return list(available.values())
    for name in names:
        if name not in available:
            raise unknown("workload at scale mini:", name, available)
    if not names:
        raise UserError("No workloads given. Name at least one, or leave --workloads out for all.")
    return [available[name] for name in names]
