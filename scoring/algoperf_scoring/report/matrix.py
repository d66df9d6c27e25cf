"""Submissions by workloads as a table of ratios, for readers without scripts; `matrix.js` draws the same."""

from __future__ import annotations

from dataclasses import dataclass

from algoperf.text import counted
from algoperf_scoring.leaderboard import Cell, Leaderboard

BOUNDS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
"""Largest ratios of the shades, from the darkest on; the last shade is for those above."""


@dataclass(frozen=True)
class Shade:
    """One field of the table.

    Attributes:
      look: class of its colour: "heat-0" for the fastest to "heat-6", or "none" without credit.
      main: the ratio, or why there is none.
      detail: the median time, or how many studies reached the target.
    """

    look: str
    main: str
    detail: str


def matrix(board: Leaderboard) -> list[tuple[str, list[Shade]]]:
    """For each row of the leaderboard its name and its fields, in the order of the workloads."""
    return [(entry.submission, [shade(entry.cells[name]) for name in board.workloads]) for entry in board.shown]


def shade(cell: Cell) -> Shade:
    """What the field of a result shows."""
    reached, seconds = (
        f"{cell.num_reached} of {counted(cell.num_studies, 'study', 'studies')}",
        f"{cell.seconds:,.2f} s",
    )
    if cell.seconds >= 100:
        seconds = f"{cell.seconds:,.0f} s"
    if cell.outcome == "reached":
        return Shade(f"heat-{level(cell.ratio)}", f"{cell.ratio:.2f}\u00d7", seconds)
    main, detail = {
        "missing": ("no results", ""),
        "unfinished": ("unfinished", "not scored"),
        "pruned": ("pruned", reached),
        "error": ("error", f"in {cell.errors[0]} of {cell.errors[1]}"),
        "not reached": ("not reached", reached),
        "cut": ("too slow", seconds),
        "held-out failed": ("variant failed", seconds),
    }[cell.outcome]
    return Shade("none", main, detail)


def level(ratio: float) -> int:
    """The shade of a ratio, 0 for the fastest."""
    return sum(ratio > bound for bound in BOUNDS)
