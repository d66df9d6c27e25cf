"""Prints a leaderboard to the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from algoperf_scoring import wording
from algoperf_scoring.leaderboard import Leaderboard

_ABREAST = 4
"""Number of submissions that fit side by side into 80 columns."""

_WIDTH_OF_FILES = 200
"""Columns where no terminal sets a limit: in a file or a pipe."""

_TIMES = "seconds to target"
_WIDEST_TIME = 12  # characters

_SHOWN = 20
"""Remarks shown per kind; the files list all of them."""

_LOOK: dict[str, Any] = {"box": box.SIMPLE, "padding": (0, 1, 0, 0), "pad_edge": False}


def print_leaderboard(board: Leaderboard, console: Console | None = None, in_words: Callable[[str], str] = str) -> None:
    """Print the leaderboard to the terminal, with remarks `in_words` of whom they are for."""
    if console is None:
        console = Console()
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = _WIDTH_OF_FILES
    shown = terminal(board, console.width, in_words)
    console.print(shown, crop=False)  # keep long paths whole instead of cropping them


def terminal(board: Leaderboard, width: int = 80, in_words: Callable[[str], str] = str) -> RenderableType:
    """The leaderboard for `rich.console.Console.print`: ranking, times, remarks."""
    ranking = Table(**_LOOK)
    for name in wording.RANKING:
        ranking.add_column(name, overflow="fold", no_wrap=name != "submission")
    for row in wording.ranking(board):
        ranking.add_row(*map(Text, row))
    words = Text("\n".join(wording.legend(board)))
    caption = Text("\n".join(wording.caption_lines(board)))
    parts: list[RenderableType] = [caption, ranking, *_times(board, width), words]
    parts[:0] = [Text(f"{warning}\n", style="bold") for warning in wording.warnings(board)]
    for title, remarks in wording.remarks(board):
        hidden = [f"... and {len(remarks) - _SHOWN} more"] if len(remarks) > _SHOWN else []
        heading = title if title.endswith("?") else f"{title}:"
        listed = "\n".join([f"\n{heading}", *(f"  {line}" for line in remarks[:_SHOWN] + hidden)])
        parts.append(Text(in_words(listed), no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _times(board: Leaderboard, width: int) -> Iterator[Table]:
    """Times with a column per submission, split into tables that fit a usual terminal, or one of that width."""
    first = max((len(name) for name in (*board.workloads, *board.held_out)), default=0)
    widest = max((len(entry.submission) for entry in board.shown), default=0)
    abreast = max(_ABREAST, (width - max(first, len(_TIMES))) // (max(widest, _WIDEST_TIME) + 1))
    columns = list(zip(board.shown, wording.times(board), strict=True))
    for start in range(0, len(columns), abreast):
        shown = columns[start : start + abreast]
        table = Table(Column(_TIMES, no_wrap=True), **_LOOK)
        for entry, _ in shown:
            table.add_column(escape(entry.submission), overflow="fold", justify="right")
        names = (*board.workloads, *board.held_out)
        for name, *row in zip(names, *(times for _, times in shown), strict=True):
            table.add_row(*map(Text, [name, *row]), end_section=name == board.workloads[-1])
        yield table
