"""Where a page's readers find the logs of a submission."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from algoperf_scoring.leaderboard import Leaderboard


def logs_of(board: Leaderboard, file: Path, base: str | None) -> dict[str, str]:
    """The addresses of the submissions' logs, by name of the entry.

    With a `base`, such as the address of a repository's folder of runs, it is the submission's folder below it.
    Without, it is the way from the page to that folder if the page lies among the same runs, as RUNS/report/report.html
    does. Pages elsewhere have no links, since these would lead nowhere on other machines.
    """
    folders = {trial.submission: trial.folder.parents[2] for trial in board.comparison.trials}
    found = {}
    for entry in board.shown:
        name = entry.submission.partition(" (")[0]
        name = entry.submission if entry.submission in folders else name
        if name not in folders:
            continue
        if base is not None:
            found[entry.submission] = f"{base.rstrip('/')}/{quote(name)}"
        elif (way := _way(file, folders[name])) is not None:
            found[entry.submission] = way
    return found


def place_among_runs(board: Leaderboard, file: Path) -> str | None:
    """The end of the page's path, from the folder of runs on, if its links to logs lead beside it; else None.

    A page whose path ends otherwise was sent or moved without the runs: its links would be dead.
    """
    page = file.resolve()
    for trial in board.comparison.trials:
        runs = trial.folder.parents[2].resolve().parent
        if page.is_relative_to(runs):
            return (Path(runs.name) / page.relative_to(runs)).as_posix()
    return None


def _way(file: Path, folder: Path) -> str | None:
    """The relative address of a folder of runs from a page; None if the page does not lie beside or below it."""
    page, runs = file.resolve().parent, folder.resolve().parent
    if not page.is_relative_to(runs):
        return None
    return "../" * len(page.relative_to(runs).parts) + quote(folder.name)
