"""Builds the report's page: one file that loads nothing, from data, style, scripts and vendored libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from algoperf.text import counted
from algoperf_scoring import wording
from algoperf_scoring.files import write_whole
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.models import models, reference_in_words
from algoperf_scoring.report import parts
from algoperf_scoring.report.links import logs_of, place_among_runs
from algoperf_scoring.report.matrix import matrix
from algoperf_scoring.report.payload import payload
from algoperf_scoring.report.problems import in_plain_words
from algoperf_scoring.uncertainty import MIN_STUDIES, NUM_REPLICATES

if TYPE_CHECKING:
    from algoperf_scoring.health import Health

SCRIPTS = (
    *("draws", "engine", "bootstrap", "board"),
    *("dom", "packed", "format", "csv", "series", "who", "sideways", "tables", "figure", "labels", "spread"),
    *("profiles", "matrix", "times", "curves", "sensitivity", "cost", "certainty", "ranking", "trials"),
    *("state", "controls", "main"),
)
"""The page's scripts in order of dependency; each defines one name."""

SHOWN_FINDINGS = 40
"""Findings shown per kind; the CSV files list all of them."""


def write_report(
    board: Leaderboard, file: Path, health: Health | Mapping[str, Any] | None = None, logs_url: str | None = None
) -> None:
    """Write the report atomically. Raises UserError if the file cannot be written.

    Args:
      board: the leaderboard to report on.
      file: the file to write.
      health: the result of checking the same runs, or its JSON; None omits that section.
      logs_url: address of the published folder of runs; None links to those that the page lies among, while it does.
    """
    place = None if logs_url is not None else place_among_runs(board, file)
    write_whole(file, render(board, health, logs_of(board, file, logs_url), place))


def render(
    board: Leaderboard,
    health: Health | Mapping[str, Any] | None = None,
    logs: Mapping[str, str] = MappingProxyType({}),
    place: str | None = None,
) -> str:
    """The report as the text of an HTML file; the same for the same leaderboard.

    Args:
      board, health: see `write_report`.
      logs: addresses of the submissions' logs, by name of the entry.
      place: the end of the page's path if these lead beside it; the page shows them only there.
    """
    titles, trials = board.titles, board.comparison.trials
    return (
        parts.environment()
        .get_template("template.html.j2")
        .render(
            board=board,
            title=title(board),
            facts=_facts(board),
            legend=wording.legend(board),
            header=wording.RANKING,
            titles=titles,
            logs=logs,
            place=place,
            matrix=matrix(board),
            certainty=wording.uncertainty_in_words(board, titles),
            problems=in_plain_words(board.comparison.problems),
            warnings=wording.warnings(board),
            disturbed=wording.disturbed_in_words(trials),
            unfinished=wording.unfinished_in_words(board.comparison.unfinished, board.comparison.plan, titles),
            contradicted=wording.contradicted_in_words(trials, titles),
            charged=wording.charged_in_words(trials, titles),
            verification=wording.verification_in_words(trials, titles),
            models=models(board),
            reference=reference_in_words(board),
            pruned=wording.pruned_in_words(board.comparison.pruned, titles),
            min_studies=MIN_STUDIES,
            ranking=list(zip(board.shown, wording.ranking(board), strict=True)),
            health=None if health is None else health if isinstance(health, Mapping) else health.to_json(),
            unchecked="" if health is None or isinstance(health, Mapping) else health.unchecked,
            shown=SHOWN_FINDINGS,
            replicates=NUM_REPLICATES,
            **parts.page_parts(SCRIPTS, payload(board, logs, place)),
        )
    )


def title(board: Leaderboard) -> str:
    """The title of the page."""
    comparison = board.comparison
    return f"AlgoPerf {comparison.version.name}, {wording.kind_in_words(comparison.track, comparison.ruleset)}"


def _facts(board: Leaderboard) -> list[str]:
    """What is compared, in a few words each."""
    comparison, version = board.comparison, board.comparison.version
    counts = [cell.num_studies for entry in board.entries for cell in entry.cells.values()]
    fewest, most = min(counts, default=0), max(counts, default=0)
    studies = f"{counted(most, 'study', 'studies')} each"
    if fewest < most:
        studies = f"up to {studies}"
    if most < version.num_studies:
        studies += f" ({version.name} asks for {version.num_studies})"
    recorded = "; ".join(board.hardware)
    number = len(board.shown)
    return [
        f"{counted(number, 'submission')}",
        f"score over {comparison.basis}",
        studies,
        f"scale {comparison.scale}",
        recorded or f"hardware not recorded in the runs ({version.name}: {version.hardware})",
        f"scored on {board.date}",
    ]
