"""Builds the report's page: one file that loads nothing, from data, style, scripts and vendored libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algoperf_scoring import wording
from algoperf_scoring.files import write_whole
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.report import parts
from algoperf_scoring.report.payload import payload
from algoperf_scoring.uncertainty import MIN_STUDIES, NUM_REPLICATES

if TYPE_CHECKING:
    from algoperf_scoring.health import Health

SCRIPTS = (
    *("draws", "engine", "bootstrap", "board"),
    *("dom", "packed", "format", "csv", "series", "tables", "figure", "spread"),
    *("profiles", "times", "curves", "sensitivity", "cost", "ranking", "trials"),
    *("state", "controls", "main"),
)
"""The page's scripts in order of dependency; each defines one name."""

SHOWN_FINDINGS = 40
"""Findings shown per kind; the CSV files list all of them."""


def write_report(board: Leaderboard, file: Path, health: Health | Mapping[str, Any] | None = None) -> None:
    """Write the report atomically. Raises UserError if the file cannot be written.

    Args:
      board: the leaderboard to report on.
      file: the file to write.
      health: the result of checking the same runs, or its JSON; None omits that section.
    """
    write_whole(file, render(board, health))


def render(board: Leaderboard, health: Health | Mapping[str, Any] | None = None) -> str:
    """The report as the text of an HTML file; the same for the same leaderboard."""
    return (
        parts.environment()
        .get_template("template.html.j2")
        .render(
            board=board,
            title=title(board),
            facts=_facts(board),
            legend=wording.legend(board),
            header=wording.ranking_header(board),
            warning=wording.warning(board),
            disturbed=wording.disturbed_in_words(board.comparison.trials),
            unfinished=wording.unfinished_in_words(board.comparison.unfinished),
            contradicted=wording.contradicted_in_words(board.comparison.trials),
            charged=wording.charged_in_words(board.comparison.trials),
            verification=wording.verification_in_words(board.comparison.trials),
            pruned=wording.pruned_in_words(board.comparison.pruned),
            min_studies=MIN_STUDIES,
            ranking=list(zip(board.shown, wording.ranking(board), strict=True)),
            health=None if health is None else health if isinstance(health, Mapping) else health.to_json(),
            shown=SHOWN_FINDINGS,
            replicates=NUM_REPLICATES,
            **parts.page_parts(SCRIPTS, payload(board)),
        )
    )


def title(board: Leaderboard) -> str:
    """The title of the page."""
    comparison = board.comparison
    return f"AlgoPerf {comparison.version.name}, {wording.kind_in_words(comparison.track, comparison.ruleset)}"


def _facts(board: Leaderboard) -> list[tuple[str, str]]:
    comparison, version = board.comparison, board.comparison.version
    counts = [cell.num_studies for entry in board.entries for cell in entry.cells.values()]
    fewest, most = min(counts, default=0), max(counts, default=0)
    studies = f"{fewest} to {most}" if fewest < most else f"{most}"
    return [
        ("Submissions", str(len(board.entries))),
        ("Score over", comparison.basis),
        ("Track", comparison.track),
        ("Scale", comparison.scale),
        ("Studies", f"{studies} of a submission and workload; the version asks for {version.num_studies}"),
        ("Hardware", f"{'; '.join(board.hardware) or 'not recorded in the runs'} (version: {version.hardware})"),
        ("Date", board.date),
    ]
