"""A leaderboard as a Markdown page that can be included in a README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from algoperf_scoring import wording
from algoperf_scoring.leaderboard import Entry, Leaderboard, Unranked


def markdown(board: Leaderboard) -> str:
    """The leaderboard as a Markdown page."""
    header = list(wording.RANKING)
    rows = [[*map(escaped, row)] for row in wording.ranking(board)]
    entries = board.shown
    if any(entry.info for entry in entries):
        header[2:2] = ["authors", "framework"]
        for row, entry in zip(rows, entries, strict=True):
            row[1:2] = _who(entry, board.titles[entry.submission])
    titles = [board.titles[entry.submission] for entry in entries]
    times = [[title, *row] for title, row in zip(titles, wording.times(board), strict=True)]
    names = ["submission", *board.workloads, *board.held_out]
    lines = ["# Leaderboard", ""]
    for warning in wording.warnings(board):
        lines += [f"**{escaped(warning)}**", ""]
    lines += [escaped(wording.caption(board)), "", *_table(header, rows)]
    lines += ["", *(f"- {escaped(line)}" for line in wording.legend(board))]
    lines += ["", "## Seconds to target", "", *_table(names, [[*map(escaped, row)] for row in times])]
    for title, remarks in wording.remarks(board):
        lines += ["", f"## {title}", "", *(f"- {escaped(remark)}" for remark in remarks)]
    return "\n".join(lines) + "\n"


def _who(entry: Entry | Unranked, title: str) -> list[str]:
    """Title with its links, authors with affiliations, framework."""
    info = entry.info
    if info is None:
        return [escaped(title), "", ""]
    links = [_linked(word, address) for word, address in info.links.items()]
    affiliations = f" ({info.affiliations})" if info.affiliations else ""
    return [", ".join([escaped(title), *links]), escaped(info.authors + affiliations), escaped(info.framework)]


def _linked(word: str, address: str) -> str:
    safe = re.sub(r"[\s()<>|]", lambda match: f"%{ord(match[0]):02X}", address)
    return f"[{word}]({safe})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"


def escaped(text: str) -> str:
    """Escape text for Markdown, because names and paths come from submitters."""
    return re.sub(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(text.split()))
