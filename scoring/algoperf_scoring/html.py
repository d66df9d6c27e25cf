"""A leaderboard as a small HTML page without scripts, for a web site. The interactive page is in `report`."""

from __future__ import annotations

import jinja2

from algoperf_scoring import wording
from algoperf_scoring.leaderboard import Leaderboard


def html(board: Leaderboard) -> str:
    """The leaderboard as one self-contained page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("algoperf_scoring", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("leaderboard.html.j2").render(
        board=board,
        caption=wording.caption(board),
        legend=wording.legend(board),
        header=wording.ranking_header(board),
        warning=wording.warning(board),
        ranking=list(zip(board.shown, wording.ranking(board), strict=True)),
        columns=(*board.workloads, *board.held_out),
        times=list(zip(board.shown, wording.times(board), strict=True)),
        remarks=list(wording.remarks(board)),
    )
