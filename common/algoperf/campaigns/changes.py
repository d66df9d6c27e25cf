"""Submissions whose code is not what was planned: their runs wait for it, and those of all others go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.states import Phase, RunState
from algoperf.errors import AlgoperfError
from algoperf.submission.earlier import changed_lines
from algoperf.submission.loading import submission_file
from algoperf.submission.model import entry_hashes
from algoperf.text import fate


def difference(campaign: Campaign, submission: str) -> str:
    """How the code of a submission differs from the plan, by file, and what to do; "" if it does not."""
    manifest = campaign.manifest
    planned = manifest.submissions[submission]
    try:
        now = entry_hashes(campaign.root / planned["path"], manifest.track, planned["framework"])
    except AlgoperfError as error:
        lines = f"  it cannot be read: {error}"
    else:
        folder = submission_file(campaign.root / planned["path"]).parent if manifest.track == "algorithm" else None
        lines = changed_files(planned["files"], now, folder)
        if not lines:
            return ""
    return (
        f"The submission {submission} is not what was planned:\n{lines}\n"
        "Restore it, or plan a new campaign in another folder for the new code."
    )


def changed_files(then: Mapping[str, str], now: Mapping[str, str], folder: Path | None) -> str:
    """What has become of files with these hashes, a line each, and some changed lines if what they were can be found.

    They are looked for in the history of `folder`; None to look for none.
    """
    told = []
    for file in {**then, **now}:
        if then.get(file) != now.get(file):
            lines = [] if folder is None else changed_lines(folder / file, then.get(file))
            told.append("\n    ".join([f"  {fate(file, then.get(file), now.get(file))}", *lines]))
    return "\n".join(told)


class Changes:
    """What is known of changed submissions."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._found: dict[str, str] = {}

    def hold(self, states: Sequence[RunState], look: bool = True) -> list[RunState]:
        """The states, in which runs of changed submissions wait for their code instead of their turn.

        With `look`, the files of all submissions with runs that wait are read, some milliseconds each; without it, what
        was found the last time is true.
        """
        if look:
            names = dict.fromkeys(state.run.submission for state in states if state.phase is Phase.WAITING)
            self._found = {name: why for name in names if (why := difference(self._campaign, name))}
        return [
            dataclasses.replace(state, phase=Phase.CHANGED, reason=self._found[state.run.submission])
            if state.phase is Phase.WAITING and state.run.submission in self._found
            else state
            for state in states
        ]


def changed_in_words(states: Iterable[RunState]) -> dict[str, str]:
    """By the difference of each changed submission, that and what to do, and how many runs wait for it."""
    runs: dict[str, int] = {}
    for state in states:
        if state.phase is Phase.CHANGED:
            runs[state.reason] = runs.get(state.reason, 0) + 1
    return {
        reason: f"{reason}\nUntil then its {'run waits' if number == 1 else f'{number:,} runs wait'}; those of other "
        "submissions go on."
        for reason, number in runs.items()
    }
