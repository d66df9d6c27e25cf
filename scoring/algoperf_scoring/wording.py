"""A leaderboard in words and rows of text, shared by terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from algoperf_scoring.findings import Finding
from algoperf_scoring.leaderboard import Cell, Entry, Leaderboard, Neighbours
from algoperf_scoring.reading import Missing
from algoperf_scoring.rules import MAX_RATIO, ScoringRule

_RULESETS = {"external": "external tuning", "self": "self-tuning"}


def caption(board: Leaderboard) -> str:
    """Version, ruleset, scale, workloads, hardware and date."""
    comparison = board.comparison
    hardware = "; ".join(board.hardware) or "not recorded"
    return (
        f"AlgoPerf {comparison.version.name}, {_RULESETS[comparison.ruleset]}, scale {comparison.scale}, {board.date}. "
        f"Score over {comparison.basis}. Hardware of the runs: {hardware}."
    )


def rule_in_words(rule: ScoringRule) -> str:
    """How times are turned into scores."""
    trial = "the fastest trial" if rule.best_trial == "time" else "the trial that needed the fewest evaluations"
    integral = "integrated exactly" if rule.integral == "exact" else "by the trapezoid rule on 100 points, as published"
    return (
        f"Time of a study: {trial}; of a workload: the median over studies. Score: area under the performance profile "
        f"up to {rule.max_ratio:g} times the fastest, {integral}."
    )


def uncertainty_in_words(board: Leaderboard) -> list[str]:
    """Which adjacent entries' order may be chance, or why this is unknown."""
    if board.refusal:
        return [f"No intervals and no probabilities: {board.refusal}."]
    undecided = [_pair(pair) for pair in board.neighbours if not pair.is_separated]
    lone = [entry.submission for entry in board.entries if entry.num_studies(board.workloads)[1] == 1]
    blind = [f"{name} has one study: its interval shows the spread of the others only" for name in lone]
    return undecided + blind or ["The order of all neighbours is beyond chance."] if board.neighbours else []


def _pair(pair: Neighbours) -> str:
    if pair.more_studies is None:
        return f"{pair.first} and {pair.second} have the same score"
    studies = f"about {pair.more_studies} more {'study' if pair.more_studies == 1 else 'studies'} of each"
    return f"{pair.first} is ahead of {pair.second} with probability {pair.probability:.2f}: {studies} would tell"


RANKING = ("rank", "submission", "score", "95 % interval", "n", "speedup", "reached", "trapezoid")
"""Columns of `ranking`; the last one shows the other integral if `score` is the trapezoid."""


def ranking_header(board: Leaderboard) -> tuple[str, ...]:
    """The columns of `ranking` for this leaderboard."""
    return RANKING if board.rule.integral == "exact" else (*RANKING[:-1], "exact")


def ranking(board: Leaderboard) -> list[list[str]]:
    """One row per entry, best first."""
    return [_ranked(board, entry, rank) for entry, rank in zip(board.entries, board.ranks(), strict=True)]


def _ranked(board: Leaderboard, entry: Entry, rank: int) -> list[str]:
    fewest, most = entry.num_studies(board.workloads)
    other = entry.score_trapezoid if board.rule.integral == "exact" else entry.score_exact
    return [
        str(rank),
        entry.submission,
        f"{entry.score:.4f}",
        "-" if entry.interval is None else f"{entry.interval[0]:.3f}-{entry.interval[1]:.3f}",
        str(most) if fewest == most else f"{fewest}-{most}",
        "-" if entry.speedup is None else f"{entry.speedup:.3f}",
        f"{entry.num_reached(board.workloads)}/{len(board.workloads)}",
        f"{other:.4f}",
    ]


def times(board: Leaderboard) -> list[list[str]]:
    """One row per entry: its result on each workload and held-out variant."""
    names = (*board.workloads, *board.held_out)
    return [[cell_in_words(entry.cells[name]) for name in names] for entry in board.entries]


def cell_in_words(cell: Cell) -> str:
    """A median time and its qualification, such as "61,885.6 cut" or "never 2/5"."""
    if cell.outcome == "missing":
        return "-"
    if math.isinf(cell.seconds):
        return f"never {cell.num_reached}/{cell.num_studies}"
    seconds = f"{cell.seconds:.2f}" if cell.seconds < 100 else f"{cell.seconds:,.1f}"
    return {"cut": f"{seconds} cut", "held-out failed": f"{seconds} void"}.get(cell.outcome, seconds)


def legend(board: Leaderboard) -> str:
    """The legend of the tables."""
    against = f"speedup: geometric mean over workloads against {board.reference}; " if board.reference else ""
    return (
        f"n: studies; {against}reached: workloads with credit. Times: seconds to target, median over studies; "
        f"never 2/5: reached in 2 of 5 studies only; cut: above {_ratio(board.rule)} times the fastest; "
        "void: the held-out variant failed; -: no results."
    )


def _ratio(rule: ScoringRule) -> str:
    return f"{rule.max_ratio:g}" if rule.max_ratio != MAX_RATIO else "4"


def remarks(board: Leaderboard) -> Iterator[tuple[str, list[str]]]:
    """Titles and lines of all remarks; kinds without a line are omitted."""
    comparison = board.comparison
    kinds = [
        ("Not separated by the data", uncertainty_in_words(board)),
        ("Hardware differs", _hardware(board)),
        ("Missing results", _missing(comparison.missing)),
        ("Problems", _findings(comparison.problems)),
        ("Notes", _findings(comparison.notes)),
    ]
    yield from ((title, lines) for title, lines in kinds if lines)


def _hardware(board: Leaderboard) -> list[str]:
    if len(board.hardware) < 2:
        return []
    return [f"these times cannot be compared with each other: {'; '.join(board.hardware)}"]


def _findings(findings: Iterable[Finding]) -> list[str]:
    """One line per reason, because many runs share one."""
    paths: dict[str, list[str]] = {}
    for finding in findings:
        paths.setdefault(finding.reason, []).append(finding.path)
    return [
        f"{where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}: {reason}"
        for reason, where in paths.items()
    ]


def _missing(missing: Iterable[Missing]) -> list[str]:
    """One line per submission, with its number of studies per workload."""
    parts: dict[str, list[str]] = {}
    for item in missing:
        parts.setdefault(item.submission, []).append(f"{item.workload} {item.studies} of {item.expected}")
    return [f"{submission}: {', '.join(numbers)} studies" for submission, numbers in parts.items()]
