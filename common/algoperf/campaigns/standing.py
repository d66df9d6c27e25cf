"""Where the runs in a folder stand, whoever began them: found from their records alone, as plain data."""

from __future__ import annotations

import dataclasses
import enum
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from algoperf.campaigns.estimate import estimate
from algoperf.errors import UserError, did_you_mean_path
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import read_object
from algoperf.records.layout import EVAL_FILE, LOG_FILE, STATUS_FILE
from algoperf.records.status import Status, read_status
from algoperf.tuning.ruleset import Ruleset
from algoperf.versions import Scale, Version

_PLACE = re.compile(r"(\w+)/study_(\d+)/(\w+)_(jax|pytorch)[^/]*/trial_(\d+)", re.ASCII)
_LOCK_FILE = ".lock"
_HOUR = 3600.0
_Value = TypeVar("_Value")


class Phase(enum.Enum):
    """Where a trial stands."""

    FINISHED = "finished"  # by the rules
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # the same command resumes it
    FAILED = "failed"  # an error in the submission, no memory, a breach of the rules
    MISSING = "missing"


PHASES = tuple(phase.value for phase in Phase)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one trial stands.

    Attributes:
      submission, study, workload, framework, trial: which one; ruleset, scale: of which kind.
      phase: where it stands; label: how it ended, in the words of its records; message: why.
      reached: whether its validation target was reached.
      step, submission_sec, hours: how far it came; hours with evaluations.
      metric, value, target: of its last evaluation.
      silent_sec: of a running one, how long ago it last recorded something.
      folder: where its records are.
      hours_left, hours_left_at_most: a forecast; 0 for those that have ended.
    """

    submission: str
    study: int
    workload: str
    framework: str
    trial: int
    phase: Phase
    ruleset: Ruleset = "self"
    scale: Scale = "full"
    label: str = ""
    message: str = ""
    reached: bool = False
    step: int = 0
    submission_sec: float = 0.0
    hours: float = 0.0
    metric: str | None = None
    value: float | None = None
    target: float | None = None
    silent_sec: float | None = None
    folder: Path | None = None
    hours_left: float = 0.0
    hours_left_at_most: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        content = dataclasses.asdict(self)
        log = None if self.folder is None or not (self.folder / LOG_FILE).exists() else str(self.folder / LOG_FILE)
        return {**content, "phase": self.phase.value, "folder": None if self.folder is None else str(self.folder),
                "log": log}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a complete set of runs has, for every submission; None for the default.

    Attributes:
      workloads: by default all those that a run in the folder is of.
      studies: by default the version's.
      trials: of each study; by default the version's under external tuning, else one.
    """

    workloads: Sequence[str] | None = None
    studies: int | None = None
    trials: int | None = None


def standings(
    root: Path,
    version: Version,
    ruleset: Ruleset | None = None,
    scale: Scale | None = None,
    expected: Expected | None = None,
) -> list[Standing]:
    """All trials below `root`, and what is missing of those that are expected. Raises UserError if there are none.

    Ruleset and scale are those that the records say, unless they are given. Nothing is missing if nothing is expected.

    The forecast of a trial that has not ended is the mean of finished ones of the same submission and workload; else
    that of all such runs in the folder, of published ones, or the whole budget.
    """
    if not root.is_dir():
        raise UserError(
            f"There is no folder {root}.{did_you_mean_path(root)} Give the folder that `algoperf train` wrote to: "
            "--output-dir."
        )
    found = [_of_kind(one, ruleset, scale) for one in _trials(root)]
    if not found:
        raise UserError(f"There are no runs in {root}: expected SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J.")
    if expected is not None:
        found += _missing(found, expected, version)
    forecast = _Forecast(root, version, found)
    return sorted(map(forecast.complete, found), key=lambda one: (one.submission, one.workload, one.study, one.trial))


def belongs_to_campaign(root: Path) -> bool:
    """Whether the runs in a folder are those of a campaign, whose manifest says what is missing."""
    return "campaign" in (read_object(root.resolve().parent / "manifest.json") or {})


def _of_kind(one: Standing, ruleset: Ruleset | None, scale: Scale | None) -> Standing:
    """The same, of this ruleset and scale if they are given. Self-tuning has one trial per study."""
    recorded: Ruleset = "external" if one.trial > 1 else one.ruleset
    return dataclasses.replace(one, ruleset=ruleset or recorded, scale=scale or one.scale)


def _trials(root: Path) -> Iterator[Standing]:
    locked = _locked_files()
    for folder in root.glob("*/study_*/*/trial_*"):
        match = _PLACE.fullmatch(folder.relative_to(root).as_posix())
        if match is None:
            continue
        is_locked = (folder / _LOCK_FILE).exists() and (folder / _LOCK_FILE).stat().st_ino in locked
        standing = _look(folder, is_locked)
        if standing is not None:
            submission, study, workload, framework, trial = match.groups()
            yield dataclasses.replace(
                standing, submission=submission, study=int(study), workload=workload, framework=framework,
                trial=int(trial), folder=folder,
            )  # fmt: skip


def _look(folder: Path, is_locked: bool) -> Standing | None:
    """Where a trial stands, by its folder; None if nothing was recorded and nobody works on it."""
    status, rows = read_status(folder), CsvFile.read(folder / EVAL_FILE)
    nowhere: dict[str, Any] = {"submission": "", "study": 0, "workload": "", "framework": "", "trial": 0}
    if status is None:
        if rows:  # a published log
            last = rows[-1]
            return Standing(**nowhere, phase=Phase.RUNNING if is_locked else Phase.FINISHED, label="no status recorded",
                            step=int(float(last.get("global_step") or 0)), submission_sec=_number(last, "score"),
                            hours=(_number(last, "total_duration") or _number(last, "score")) / _HOUR)  # fmt: skip
        return Standing(**nowhere, phase=Phase.RUNNING, label="starting") if is_locked else None
    label, seconds, targets = str(status.get("status")), status.get("seconds") or {}, status.get("targets") or {}
    metrics = (status.get("last_evaluation") or {}).get("metrics") or {}
    metric = f"validation/{targets['metric']}" if "metric" in targets else None
    phase = _phase(label, is_locked)
    return Standing(
        **nowhere,
        phase=phase,
        ruleset="external" if status.get("ruleset") == "external" else "self",
        scale="mini" if status.get("scale") == "mini" else "full",
        label="killed" if phase is Phase.INTERRUPTED and label == Status.RUNNING.label else label,
        message=str(status.get("message") or ""),
        reached=bool(status.get("target_reached_at")),
        step=int(status.get("global_step") or 0),
        submission_sec=float(seconds.get("submission") or 0.0),
        hours=float(seconds.get("total") or 0.0) / _HOUR,
        metric=metric,
        value=metrics.get(metric),
        target=targets.get("validation"),
        silent_sec=max(0.0, time.time() - _last_write(folder)) if phase is Phase.RUNNING else None,
    )


def _phase(label: str, is_locked: bool) -> Phase:
    if is_locked:
        return Phase.RUNNING
    known = {status.label: status for status in Status}.get(label, Status.RUNNING)
    if known.finished:
        return Phase.FINISHED
    return Phase.INTERRUPTED if known in (Status.RUNNING, Status.INTERRUPTED) else Phase.FAILED


def _last_write(folder: Path) -> float:
    return max(file.stat().st_mtime for name in (STATUS_FILE, LOG_FILE) if (file := folder / name).exists())


def _number(row: dict[str, str], name: str) -> float:
    try:
        return float(row.get(name) or 0.0)
    except ValueError:
        return 0.0


def _locked_files() -> set[int]:
    """Inodes of all files that a process of this machine holds locked. Asking for a lock would be in the way."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    return {int(words[5].rpartition(":")[2]) for line in lines if len(words := line.split()) > 5 and "FLOCK" in words}


def _missing(found: Sequence[Standing], expected: Expected, version: Version) -> list[Standing]:
    """The expected trials that have not begun; studies count from 0 or 1, as those do that are there."""
    present = {(one.submission, one.workload, one.study, one.trial) for one in found}
    workloads = expected.workloads or sorted({one.workload for one in found})
    missing = []
    for name in sorted({one.submission for one in found}):
        own = [one for one in found if one.submission == name]
        framework, scale = _most(one.framework for one in own), _most(one.scale for one in own)
        ruleset: Ruleset = "external" if any(one.ruleset == "external" for one in own) else "self"
        first = min(1, *(one.study for one in own), 1)
        trials = expected.trials or (version.num_trials if ruleset == "external" else 1)
        missing += [
            Standing(submission=name, study=study, workload=workload, framework=framework, trial=trial,
                     phase=Phase.MISSING, ruleset=ruleset, scale=scale)
            for workload in workloads
            for study in range(first, first + (expected.studies or version.num_studies))
            for trial in range(1, trials + 1)
            if (name, workload, study, trial) not in present
        ]  # fmt: skip
    return missing


def _most(values: Iterable[_Value]) -> _Value:
    """The most common value."""
    return Counter(values).most_common(1)[0][0]


class _Forecast:
    """How long trials will still take."""

    def __init__(self, root: Path, version: Version, found: Iterable[Standing]) -> None:
        self._root, self._version = root, version
        self._finished: dict[tuple[str, str], list[float]] = {}
        for one in found:
            if one.phase is Phase.FINISHED:
                self._finished.setdefault((one.submission, one.workload), []).append(one.hours)
        self._estimates: dict[tuple[str, str, Ruleset, Scale], tuple[float, float]] = {}

    def complete(self, one: Standing) -> Standing:
        """The same, with a forecast."""
        if one.phase not in (Phase.RUNNING, Phase.INTERRUPTED, Phase.MISSING):
            return one
        probably, at_most = self._whole(one.workload, one.framework, one.ruleset, one.scale)
        if (one.submission, one.workload) in self._finished:
            probably = statistics.fmean(self._finished[one.submission, one.workload])
        left = max(0.0, probably - one.hours)
        return dataclasses.replace(one, hours_left=left, hours_left_at_most=max(left, at_most - one.hours))

    def _whole(self, workload: str, framework: str, ruleset: Ruleset, scale: Scale) -> tuple[float, float]:
        """Hours of one run: probably, and at most; 0 of a workload that the version does not have."""
        kind = (workload, framework, ruleset, scale)
        if kind not in self._estimates:
            if scale not in self._version.table.get(workload, {}):
                return 0.0, 0.0
            budget = self._version.max_runtime_sec(workload, ruleset, scale)
            found = estimate(workload, framework, ruleset, budget, [self._root])
            self._estimates[kind] = (found.estimate_sec / _HOUR, found.bound_sec / _HOUR)
        return self._estimates[kind]


def overview_of(root: Path, found: Sequence[Standing]) -> dict[str, Any]:
    """Counts and hours in all and per submission and workload, and every trial."""
    groups: dict[tuple[str, str], list[Standing]] = {}
    for one in found:
        groups.setdefault((one.submission, one.workload), []).append(one)
    return {
        "folder": str(root),
        **_counted(found),
        "groups": [{"submission": name, "workload": workload, **_counted(ones)}
                   for (name, workload), ones in groups.items()],
        "trials": [one.as_dict() for one in found],
    }  # fmt: skip


def _counted(ones: Sequence[Standing]) -> dict[str, Any]:
    counts = Counter(one.phase for one in ones)
    return {
        **{phase.value: counts[phase] for phase in Phase},
        "reached": sum(one.reached for one in ones),
        "hours": sum(one.hours for one in ones),
        "hours_left": sum(one.hours_left for one in ones),
        "hours_left_at_most": sum(one.hours_left_at_most for one in ones),
    }
