"""Which of the trials found are compared: by track, workload, scale, ruleset and version."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from algoperf.errors import UserError, unknown
from algoperf.records.layout import is_record
from algoperf.submission.track import TRACKS
from algoperf.text import counted
from algoperf.tuning.ruleset import RULESETS
from algoperf.versions import SCALES, Version
from algoperf_scoring.findings import Finding, Findings
from algoperf_scoring.plan import RunProgress
from algoperf_scoring.runs import RecordedTrial
from algoperf_scoring.sources import Source

_HASH_DIGITS = 8
_ALLOWED: dict[str, Sequence[str]] = {"scale": SCALES, "ruleset": RULESETS, "track": TRACKS}
_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """Which of the runs in a folder are to be compared; None for what all of them share.

    Raises UserError if there is no such scale, ruleset or track.
    """

    scale: str | None = None
    ruleset: str | None = None
    track: str | None = None

    def __post_init__(self) -> None:
        for what, asked in self._named():
            if asked not in _ALLOWED[what]:
                raise unknown(what, asked, _ALLOWED[what])

    def _named(self) -> list[tuple[str, str]]:
        asked = {"scale": self.scale, "ruleset": self.ruleset, "track": self.track}
        return [(what, value) for what, value in asked.items() if value is not None]

    def reason_against(self, trial: RecordedTrial) -> str:
        """Why a trial is not meant; "" if it is, or if its files do not say."""
        pairs = ((what, asked, getattr(trial.facts, what)) for what, asked in self._named())
        return next((f"its {what} is {own}" for what, asked, own in pairs if own and own != asked), "")

    def nothing_left(self, where: str, found: Iterable[RecordedTrial]) -> UserError:
        """The error for a place where none of the runs found is such a run."""
        wanted = [f"{what} {asked}" for what, asked in self._named()]
        there = Counter(_kind(trial) for trial in found)
        return UserError(
            f"No runs of {' and '.join(wanted)} {where}. There are: {_listed(there)}. "
            "Choose with --scale, --ruleset and --track."
        )


def _kind(trial: RecordedTrial) -> str:
    facts = trial.facts
    track = "" if facts.track == TRACKS[0] else f", track {facts.track}"
    return f"scale {facts.scale}, ruleset {facts.ruleset or 'unknown'}{track}"


def filtered(trials: Sequence[RecordedTrial], asked: Asked, findings: Findings) -> list[RecordedTrial]:
    """The trials that are meant; the others are noted. Raises UserError if there are none."""
    kept = []
    for trial in trials:
        if reason := asked.reason_against(trial):
            findings.note(trial.folder, f"left out: {reason}")
        else:
            kept.append(trial)
    if not kept:
        raise asked.nothing_left(f"in {', '.join(map(str, findings.roots))}", trials)
    return kept


def choose_workloads(
    trials: Sequence[RecordedTrial | RunProgress], version: Version, asked: Iterable[str] | None
) -> tuple[tuple[str, ...], str]:
    """The workloads to score, and a description of them.

    These are the requested ones; else those that the version scores; else, if these have no runs, the development
    workloads with runs. A planned run counts like one that was made: what it is of, is to be scored.
    """
    if asked is not None:
        names = tuple(dict.fromkeys(asked))
        for name in names:
            if name not in version.workloads:
                raise unknown(f"workload in version {version.name}:", name, version.workloads)
        if not names:
            raise UserError("No workloads asked for. Name at least one, or leave the choice to the version.")
        return names, f"{_counted(names)} asked for"
    present = {trial.workload for trial in trials}
    if present & set(version.scored):
        return (
            version.scored,
            f"the {len(version.scored)} scored workloads of {version.name}",
        )
    development = tuple(name for name in version.development if name in present)
    if development:
        return development, (
            f"{_counted(development)} present, for development only: none of them is scored in {version.name}"
        )
    raise UserError(
        f"The only runs are of {', '.join(sorted(present))}, which version {version.name} does not score. "
        f"Name the workloads to score over: --workloads {','.join(sorted(present))}."
    )


def _counted(names: Sequence[str]) -> str:
    return f"the {len(names)} workload{'s' if len(names) > 1 else ''}"


def choose_scale(trials: Iterable[RecordedTrial], asked: str | None) -> str:
    """The scale of the trials to compare. Raises UserError if there are several and none is requested."""
    if asked is not None:
        return asked
    counts = Counter(trial.facts.scale for trial in trials)
    if len(counts) > 1:
        raise UserError(
            f"These are runs of different scales, which cannot be compared: {_listed(counts)}. "
            "Choose one: --scale full or --scale mini."
        )
    return next(iter(counts), "full")


def choose_track(trials: Iterable[RecordedTrial], asked: str | None) -> str:
    """The track of the trials to compare. Raises UserError if there are several and none is requested."""
    if asked is not None:
        return asked
    counts = Counter(trial.facts.track for trial in trials)
    if len(counts) > 1:
        raise UserError(
            "These are runs of different tracks, which have different rules and are never compared: "
            f"{_listed(counts)}. Choose one: --track algorithm or --track model."
        )
    return next(iter(counts), TRACKS[0])


def choose_ruleset(trials: Iterable[RecordedTrial], asked: str | None) -> str:
    """The tuning ruleset of the trials: as requested, or as their files say if they agree.

    Raises UserError if none is requested and the files disagree or say nothing.
    """
    if asked is not None:
        return asked
    trials = list(trials)
    stated = Counter(trial.facts.ruleset for trial in trials if trial.facts.ruleset)
    # Published logs do not record it, but have hyperparameters only under external tuning.
    stated.update("external" for trial in trials if not trial.facts.ruleset and trial.facts.has_hparams)
    if len(stated) == 1:
        return next(iter(stated))
    found = (
        f"These are runs of different rulesets, which cannot be compared: {_listed(stated)}."
        if stated
        else "The runs' files do not say under which ruleset they were made."
    )
    raise UserError(f"{found} Choose one: --ruleset external or --ruleset self.")


def check_code(trials: Iterable[RecordedTrial], names: Mapping[tuple[str, str], str]) -> None:
    """Raise UserError if runs of different code are filed under one name; `names` are those of entries.

    Runs that do not record their code, as in published logs, belong to any.
    """
    codes: dict[str, dict[str, dict[str, set[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for trial in trials:
        if trial.facts.code:
            name = names[trial.submission, trial.framework]
            codes[name][trial.facts.code][f"{trial.workload}_{trial.framework}"].add(trial.study)
    for name, found in codes.items():
        if len(found) > 1:
            listed = "\n".join(f"  code {code[:_HASH_DIGITS]}: {_studies(cells)}" for code, cells in found.items())
            raise UserError(
                f"Runs of different code are filed under the name {name}, and would be one score:\n{listed}\n"
                "Only runs of the same code belong together. Move the others to another folder of runs, or train them "
                "again with the present code (--no-resume)."
            )


def _studies(cells: Mapping[str, set[int]]) -> str:
    return "; ".join(
        f"{cell} {'study' if len(numbers) == 1 else 'studies'} {', '.join(map(str, sorted(numbers)))}"
        for cell, numbers in sorted(cells.items())
    )


def check_version(trials: Iterable[RecordedTrial], version: Version) -> None:
    """Raise UserError if trials say that they were run under another version."""
    others = sorted({trial.facts.version for trial in trials if trial.facts.version} - {version.name})
    if others:
        raise UserError(
            f"There are runs of version {', '.join(others)}, but scoring is by version {version.name}. "
            "Results of different versions are never mixed: "
            f"pass --version {others[0]}, or keep a folder for each version."
        )


def no_trials(root: Path, notes: Sequence[Finding] = ()) -> UserError:
    """The error for a folder without any run; `notes` are about what was left out."""
    left_out = "".join(f"\n  {note.path}: {note.reason}" for note in notes[:_SHOWN])
    return UserError(
        f"No runs found in {root}. Expected <submission>/study_<k>/<workload>_<framework>/trial_<j>/ below it"
        f"{_nearby(root)}.{left_out}"
    )


def no_trials_of(source: Source) -> UserError:
    """The error for a folder without runs of the one requested submission."""
    there = {folder.name for folder in source.root.iterdir() if any(folder.glob("study_*"))} - {source.only}
    return unknown(
        f"submission in {source.root}:", source.only or "", there, "Train it first: make train SUBMISSION=..."
    )


def _nearby(root: Path) -> str:
    """A hint if the intended folder is one level up or down."""
    if any(root.glob("study_*")):
        return f"; this is one submission: give the folder that holds it, {root.resolve().parent}"
    # A campaign's folder also has files about its runs in this layout, which are no records.
    inside = sorted({file.parents[4] for file in root.glob("*/*/study_*/*/trial_*/*") if is_record(file.name)})
    return f"; try {inside[0]}" if inside else ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({counted(number, 'trial')})" for name, number in sorted(counts.items()))
