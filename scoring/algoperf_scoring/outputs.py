"""The output files of a leaderboard: report.html for people; leaderboard.md, .csv and .json for pages and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf.submission.naming import REPORT_FOLDER
from algoperf_scoring.csv_output import csv_text
from algoperf_scoring.files import write_whole
from algoperf_scoring.json_output import to_json
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.markdown import markdown
from algoperf_scoring.report import write_report

if TYPE_CHECKING:
    from algoperf_scoring.health import Health

PAGE = "report.html"
"""Name of the page in a folder of output files."""


def report_folder(runs: Path, board: Leaderboard) -> Path:
    """Where output files lie beside their runs: for the model track in a folder of its own, so that both tracks can
    have a report of the same folder of runs.
    """
    folder = runs / REPORT_FOLDER
    return folder / board.comparison.track if board.comparison.track == "model" else folder


def write_leaderboard(
    board: Leaderboard, folder: Path, health: Health | None = None, logs_url: str | None = None
) -> list[Path]:
    """Write all output files into a folder, which is created; returns their paths, the page first.

    Args:
      board: the leaderboard.
      folder: where to; files of the same names are replaced.
      health: the result of checking the same runs, for the page; None omits that section.
      logs_url: see `report.links.logs_of`.
    """
    page = folder / PAGE
    write_report(board, page, health, logs_url)
    contents = {"md": markdown(board), "csv": csv_text(board), "json": json_text(board)}
    files = [folder / f"leaderboard.{suffix}" for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        write_whole(file, content)
    return [page, *files]


def json_text(board: Leaderboard) -> str:
    """The leaderboard as the text of a JSON file."""
    return json.dumps(to_json(board), indent=2, allow_nan=False) + "\n"
