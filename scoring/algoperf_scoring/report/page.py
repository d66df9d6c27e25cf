"""Builds the report's page: one file that loads nothing, from data, style, scripts and vendored libraries."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from algoperf_scoring import wording
from algoperf_scoring.files import write_whole
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.report.payload import payload
from algoperf_scoring.uncertainty import MIN_STUDIES, NUM_REPLICATES

if TYPE_CHECKING:
    from algoperf_scoring.health import Health

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = (
    *("draws", "engine", "bootstrap", "board"),
    *("dom", "format", "csv", "series", "tables", "figure", "spread"),
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
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("algoperf_scoring.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    libraries = [_script(_library(name)) for name in LIBRARIES]
    own = _script("\n".join(_read("js", f"{name}.js") for name in SCRIPTS))
    return environment.get_template("template.html.j2").render(
        board=board,
        title=title(board),
        facts=_facts(board),
        legend=wording.legend(board),
        header=wording.ranking_header(board),
        warning=wording.warning(board),
        disturbed=wording.disturbed_in_words(board.comparison.trials),
        unfinished=wording.unfinished_in_words(board.comparison.unfinished),
        contradicted=wording.contradicted_in_words(board.comparison.trials),
        verification=wording.verification_in_words(board.comparison.trials),
        pruned=wording.pruned_in_words(board.comparison.pruned),
        min_studies=MIN_STUDIES,
        ranking=list(zip(board.shown, wording.ranking(board), strict=True)),
        health=None if health is None else health if isinstance(health, Mapping) else health.to_json(),
        shown=SHOWN_FINDINGS,
        replicates=NUM_REPLICATES,
        style=Markup(_read("style.css")),
        policy=_policy([*libraries, own]),
        libraries=libraries,
        script=own,
        payload=Markup(packed(payload(board))),
    )


def title(board: Leaderboard) -> str:
    """The title of the page."""
    ruleset = {"external": "external tuning", "self": "self-tuning"}[board.comparison.ruleset]
    return f"AlgoPerf {board.comparison.version.name}, {ruleset}"


def packed(content: Mapping[str, Any]) -> str:
    """JSON as base64 of gzip: small, reproducible, and without characters that are special in HTML."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _facts(board: Leaderboard) -> list[tuple[str, str]]:
    comparison, version = board.comparison, board.comparison.version
    counts = [cell.num_studies for entry in board.entries for cell in entry.cells.values()]
    fewest, most = min(counts, default=0), max(counts, default=0)
    studies = f"{fewest} to {most}" if fewest < most else f"{most}"
    return [
        ("Submissions", str(len(board.entries))),
        ("Score over", comparison.basis),
        ("Scale", comparison.scale),
        ("Studies", f"{studies} of a submission and workload; the version asks for {version.num_studies}"),
        ("Hardware", f"{'; '.join(board.hardware) or 'not recorded in the runs'} (version: {version.hardware})"),
        ("Date", board.date),
    ]


def _read(*parts: str) -> str:
    return resources.files("algoperf_scoring.report").joinpath(*parts).read_text(encoding="utf-8")


def _library(name: str) -> str:
    """A vendored file, with its licence text as required."""
    licence = _read("vendor", f"{name.partition('.')[0]}.LICENSE")
    return f"/*\n{licence}*/\n{_read('vendor', name)}"


def _breakable(name: str) -> Markup:
    """A name with line breaks allowed after underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _script(code: str) -> Markup:
    """Code for a script element, unescaped."""
    for word in ("</script", "<!--"):
        assert word not in code.lower(), "would end or change the script element"
    return Markup(code)


def _policy(scripts: list[Markup]) -> str:
    """A content security policy that only runs these scripts, no scripts injected by data, and loads nothing."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
