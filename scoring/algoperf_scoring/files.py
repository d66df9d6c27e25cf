"""The output files: leaderboard.json, leaderboard.md, leaderboard.html."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from algoperf.errors import DiskFull, UserError, explaining_full_disk
from algoperf_scoring.html import html
from algoperf_scoring.json_output import to_json
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.markdown import markdown


def write_leaderboard(board: Leaderboard, folder: Path) -> list[Path]:
    """Write leaderboard.json, .md and .html into a folder, which is created; returns their paths."""
    contents = {"json": json_text(board), "md": markdown(board), "html": html(board)}
    files = [folder / f"leaderboard.{suffix}" for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        write_whole(file, content)
    return files


def json_text(board: Leaderboard) -> str:
    """The leaderboard as the text of a JSON file."""
    return json.dumps(to_json(board), indent=2, allow_nan=False) + "\n"


def write_whole(file: Path, text: str) -> None:
    """Write a file atomically, creating its folder. Raises UserError if that fails."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with explaining_full_disk(file.parent, len(text.encode())):
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(file)
    except DiskFull:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"Cannot write {file}: {error.strerror}. Choose another place.") from error
