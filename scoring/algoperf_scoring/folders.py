"""The folders of runs that a comparison takes its runs from, and the commands that check them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from algoperf.text import counted
from algoperf_scoring.findings import printable
from algoperf_scoring.runs import RecordedTrial

RECORDED = Path(__file__).parents[1] / "baselines"
"""Runs that come with the benchmark; an installed package lacks them."""


def roots(trials: Iterable[RecordedTrial]) -> list[Path]:
    """The folders of runs that hold these trials."""
    return list(dict.fromkeys(trial.folder.parents[3] for trial in trials))


def checking(trials: Iterable[RecordedTrial]) -> str:
    """The commands that check the folders of runs that hold these trials."""
    return " and ".join(f"`algoperf check-runs {shlex.quote(printable(root))}`" for root in roots(trials))


def unchecked_in_words(trials: Sequence[RecordedTrial], checked: Path) -> str:
    """How many trials lie in other folders of runs than the one that was checked; "" if none does."""
    others = [trial for trial in trials if trial.folder.parents[3] != checked]
    if not others:
        return ""
    places = " and ".join(printable(root) for root in roots(others))
    return (
        f"The {counted(len(others), 'run')} of {places} {'is' if len(others) == 1 else 'are'} not checked here: "
        f"{checking(others)}."
    )


def recorded_elsewhere(trials: Sequence[RecordedTrial]) -> str:
    """That some times were recorded on another machine than the others; "" if none was.

    Records do not identify a machine: equal hardware may still be another one.
    """
    ours = {root for root in roots(trials) if root.resolve().is_relative_to(RECORDED.resolve())}
    recorded = [trial for trial in trials if trial.folder.parents[3] in ours]
    if len(recorded) in (0, len(trials)):
        return ""
    names = ", ".join(sorted({trial.submission for trial in recorded}))
    return (
        f"The times of {names} come with the benchmark: they were recorded on another machine. To compare times of "
        "this one: `make compare`, or `make demo` and then AGAINST=demo/runs."
    )
