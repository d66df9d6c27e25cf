"""A leaderboard as a CSV table: one row per submission, with all digits; nothing where there is no number."""

from __future__ import annotations

import csv
import io
import math

from algoperf_scoring.leaderboard import Entry, Leaderboard, Unranked

_COLUMNS = ("rank", "submission", "title", "authors", "score", "interval_low", "interval_high", "speedup", "credit")


def csv_text(board: Leaderboard) -> str:
    """The table, header first, best first. `seconds:W` is the median time to target on workload or variant W."""
    names = (*board.workloads, *board.held_out)
    ranks = dict(zip((entry.submission for entry in board.entries), board.ranks(), strict=True))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(f"seconds:{name}" for name in names), *(f"outcome:{name}" for name in names)])
    for entry in board.shown:
        cells = [entry.cells[name] for name in names]
        seconds = [cell.seconds if math.isfinite(cell.seconds) else None for cell in cells]
        who = [entry.submission, board.titles[entry.submission], entry.info.authors if entry.info else ""]
        row = [ranks.get(entry.submission), *map(_harmless, who), *_numbers(board, entry)]
        writer.writerow([*row, *seconds, *(cell.outcome for cell in cells)])
    return text.getvalue()


def _numbers(board: Leaderboard, entry: Entry | Unranked) -> list[float | None]:
    if isinstance(entry, Unranked):
        return [None] * 5
    low, high = entry.interval or (None, None)
    return [entry.score, low, high, entry.speedup, entry.num_reached(board.workloads)]


def _harmless(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
