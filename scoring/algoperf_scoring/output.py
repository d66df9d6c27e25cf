"""Shows a leaderboard: Markdown, terminal, files."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from algoperf.errors import UserError
from algoperf_scoring.findings import Finding
from algoperf_scoring.leaderboard import Cell, Leaderboard, Missing

_RULESETS = {"external": "external tuning", "self": "self-tuning"}
_ABREAST = 4
"""So many submissions fit beside each other into 80 columns."""

_SHOWN = 20
"""Of each kind of remark, so many in the terminal; files have them all."""


def markdown(board: Leaderboard) -> str:
    """The leaderboard as a Markdown page."""
    header = ["rank", "submission", "score", "trapezoid", *board.workloads]
    rows = [[*ranked, *times] for ranked, times in zip(_ranking(board), _times(board), strict=True)]
    lines = [
        "# Leaderboard",
        "",
        _caption(board),
        "",
        _markdown_row(header),
        _markdown_row(["---"] * len(header)),
        *(_markdown_row([_escaped(cell) for cell in row]) for row in rows),
        "",
        _legend(),
    ]
    for title, remarks in _remarks(board):
        lines += ["", f"## {title}", "", *(f"- {_escaped(remark)}" for remark in remarks)]
    return "\n".join(lines) + "\n"


def terminal(board: Leaderboard) -> RenderableType:
    """The leaderboard for `rich.console.Console.print`: ranking, times, remarks."""
    ranking = Table("rank", "submission", "score", "trapezoid", "reached", title=Text(_caption(board)))
    for row, entry in zip(_ranking(board), board.entries, strict=True):
        ranking.add_row(*map(Text, [*row, f"{entry.num_reached} of {len(board.workloads)}"]))
    parts: list[RenderableType] = [ranking, *_terminal_times(board), Text(_legend())]
    for title, remarks in _remarks(board):
        hidden = [f"... and {len(remarks) - _SHOWN} more"] if len(remarks) > _SHOWN else []
        listed = "\n".join([f"\n{title}:", *(f"  {line}" for line in remarks[:_SHOWN] + hidden)])
        parts.append(Text(listed, no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _terminal_times(board: Leaderboard) -> Iterator[Table]:
    """Times with a column per submission, in as many tables as fit into a usual terminal."""
    columns = list(zip(board.entries, _times(board), strict=True))
    for start in range(0, len(columns), _ABREAST):
        shown = columns[start : start + _ABREAST]
        table = Table(Column("seconds to target", no_wrap=True))
        for entry, _ in shown:
            table.add_column(escape(entry.submission), overflow="fold", justify="right")
        for name, *row in zip(board.workloads, *(times for _, times in shown), strict=True):
            table.add_row(*map(Text, [name, *row]))
        yield table


def print_leaderboard(board: Leaderboard, console: Console | None = None) -> None:
    """Print the leaderboard to the terminal."""
    (console or Console()).print(terminal(board))


def write_reports(board: Leaderboard, directory: str | Path) -> list[Path]:
    """Write leaderboard.md and leaderboard.json into a folder, which is made; returns their paths."""
    directory = Path(directory)
    write_json(board, directory / "leaderboard.json")
    _write(directory / "leaderboard.md", markdown(board))
    return [directory / "leaderboard.json", directory / "leaderboard.md"]


def write_json(board: Leaderboard, file: str | Path) -> None:
    """Write `Leaderboard.to_json()` to a file."""
    _write(Path(file), json.dumps(board.to_json(), indent=2, allow_nan=False) + "\n")


def _write(file: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"Cannot write {file}: {error.strerror}. Choose another place.") from error


def _caption(board: Leaderboard) -> str:
    ruleset = _RULESETS[board.ruleset]
    return f"AlgoPerf {board.version}, {ruleset}, scale {board.scale}. Score over {board.basis}."


def _legend() -> str:
    return (
        "Score: area under the performance profile, integrated exactly; trapezoid: on 100 points, "
        "as published. Times: seconds to target, median over studies; never: not reached; -: no results."
    )


def _ranking(board: Leaderboard) -> list[list[str]]:
    return [
        [str(rank), entry.submission, f"{entry.score:.4f}", f"{entry.score_trapezoid:.4f}"]
        for rank, entry in zip(board.ranks(), board.entries, strict=True)
    ]


def _times(board: Leaderboard) -> list[list[str]]:
    return [[_seconds(entry.cells.get(name)) for name in board.workloads] for entry in board.entries]


def _seconds(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    if math.isinf(cell.seconds):
        return "never"
    return f"{cell.seconds:.2f}" if cell.seconds < 100 else f"{cell.seconds:,.1f}"


def _remarks(board: Leaderboard) -> Iterator[tuple[str, list[str]]]:
    """Titles and lines of what else is to be said; kinds without a line are left out."""
    kinds = [
        ("Missing results", _missing_lines(board.missing)),
        ("Problems", _finding_lines(board.problems)),
        ("Notes", _finding_lines(board.notes)),
    ]
    yield from ((title, lines) for title, lines in kinds if lines)


def _finding_lines(findings: Iterable[Finding]) -> list[str]:
    return [f"{finding.path}: {finding.reason}" for finding in findings]


def _missing_lines(missing: Iterable[Missing]) -> list[str]:
    """One line per submission, with its numbers of studies."""
    parts: dict[str, list[str]] = {}
    for item in missing:
        parts.setdefault(item.submission, []).append(f"{item.workload} {item.studies} of {item.expected}")
    return [f"{submission}: {', '.join(numbers)} studies" for submission, numbers in parts.items()]


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is; names and paths come from submitters."""
    return re.sub(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(text.split()))
