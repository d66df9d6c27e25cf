"""Which of the trials found are compared: by workload, scale, ruleset and version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from algoperf.errors import UserError, unknown
from algoperf.tuning.ruleset import RULESETS
from algoperf.versions import SCALES, Version
from algoperf_scoring.runs import RecordedTrial
from algoperf_scoring.sources import Source


def choose_workloads(
    trials: Sequence[RecordedTrial], version: Version, asked: Iterable[str] | None
) -> tuple[tuple[str, ...], str]:
    """The workloads to score, and a description of them.

    These are the requested ones; else those that the version scores; else, if these have no runs, the development
    workloads with runs.
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
        if asked not in SCALES:
            raise unknown("scale", asked, SCALES)
        return asked
    counts = Counter(trial.facts.scale for trial in trials)
    if len(counts) > 1:
        raise UserError(
            f"These are runs of different scales, which cannot be compared: {_listed(counts)}. "
            "Choose one: --scale full or --scale mini."
        )
    return next(iter(counts), "full")


def choose_ruleset(trials: Iterable[RecordedTrial], asked: str | None) -> str:
    """The tuning ruleset of the trials: as requested, or as their files say if they agree.

    Raises UserError if the files disagree, say nothing, or contradict the request.
    """
    if asked is not None and asked not in RULESETS:
        raise unknown("ruleset", asked, RULESETS)
    trials = list(trials)
    stated = Counter(trial.facts.ruleset for trial in trials if trial.facts.ruleset)
    if asked is None:
        # Published logs do not record it, but have hyperparameters only under external tuning.
        stated.update("external" for trial in trials if not trial.facts.ruleset and trial.facts.has_hparams)
    if asked is not None and set(stated) <= {asked}:
        return asked
    if asked is None and len(stated) == 1:
        return next(iter(stated))
    found = f"The runs' files say: {_listed(stated)}." if stated else "The runs' files do not say which it is."
    raise UserError(
        f"Runs of one ruleset are needed{f', {asked!r} was given' if asked else ''}. {found} "
        "Score each ruleset in a folder of its own, with --ruleset external or --ruleset self."
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


def no_trials(root: Path) -> UserError:
    """The error for a folder without any run."""
    return UserError(
        f"No runs found in {root}. Expected <submission>/study_<k>/<workload>_<framework>/trial_<j>/ below it"
        f"{_nearby(root)}."
    )


def no_trials_of(source: Source) -> UserError:
    """The error for a folder without runs of the one requested submission."""
    there = [folder.name for folder in source.root.iterdir() if any(folder.glob("study_*"))]
    return unknown(
        f"submission in {source.root}:", source.only or "", there, "Train it first: make train SUBMISSION=..."
    )


def _nearby(root: Path) -> str:
    """A hint if the intended folder is one level up or down."""
    if any(root.glob("study_*")):
        return f"; this is one submission: give the folder that holds it, {root.resolve().parent}"
    inside = sorted({folder.parent.parent for folder in root.glob("*/*/study_*")})
    return f"; try {inside[0]}" if inside else ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({number} trials)" for name, number in sorted(counts.items()))
