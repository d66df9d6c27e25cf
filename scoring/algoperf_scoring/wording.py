"""A leaderboard in words and rows of text, shared by terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from algoperf.records.verification import REFUTED
from algoperf.text import counted
from algoperf_scoring.disturbance import in_words
from algoperf_scoring.facts import EVALUATED_AGAIN
from algoperf_scoring.findings import Finding
from algoperf_scoring.folders import checking, recorded_elsewhere, roots
from algoperf_scoring.leaderboard import Cell, Entry, Leaderboard, Neighbours
from algoperf_scoring.measuring import Pruned, Unfinished
from algoperf_scoring.models import models_in_words
from algoperf_scoring.plan import Plan, phase_in_words
from algoperf_scoring.reading import Missing
from algoperf_scoring.rules import MAX_RATIO, ScoringRule
from algoperf_scoring.runs import RecordedTrial
from algoperf_scoring.uncertainty import MIN_STUDIES, SAME_SCORE, SEPARATED

_RULESETS = {"external": "external tuning", "self": "self-tuning"}


def kind_in_words(track: str, ruleset: str) -> str:
    """The track and what follows from it: the model track has no tuning rulesets."""
    return "models" if track == "model" else _RULESETS[ruleset]


def caption(board: Leaderboard) -> str:
    """Version, ruleset, scale, workloads, hardware and date."""
    return " ".join(caption_lines(board))


def caption_lines(board: Leaderboard) -> tuple[str, ...]:
    """The sentences of the caption."""
    comparison = board.comparison
    hardware = "; ".join(board.hardware) or "not recorded"
    kind = kind_in_words(comparison.track, comparison.ruleset)
    return (
        f"AlgoPerf {comparison.version.name}, {kind}, scale {comparison.scale}, {board.date}.",
        f"Score over {comparison.basis}.",
        f"Hardware of the runs: {hardware}.",
    )


Names = Mapping[str, str]
"""What submissions are called where it is not the name of their folder of runs; by that name."""

FOLDERS: Names = MappingProxyType({})
"""All are called by their folders."""


def uncertainty_in_words(board: Leaderboard, names: Names = FOLDERS) -> list[str]:
    """Which adjacent entries' order may be chance, or why this is unknown."""
    if board.refusal:
        return [f"No intervals and no probabilities: {board.refusal}."]
    if not board.neighbours:
        return []
    scores = {entry.submission: entry.score for entry in board.entries}
    open_pairs = [pair for pair in board.neighbours if pair.probability < SEPARATED]
    # Without a verdict, no pair is said to be undecided: each would read like one.
    undecided = [_pair(pair, scores, names) for pair in open_pairs if board.comparison.has_scored_workload]
    lone = [entry.submission for entry in board.entries if entry.num_studies(board.workloads)[1] == 1]
    blind = [
        f"{names.get(name, name)} has one study: its interval shows the spread of the others only" for name in lone
    ]
    found = [*_little_evidence(board, names), *undecided, *blind]
    return found or ["The order of all neighbours is beyond chance."]


def _little_evidence(board: Leaderboard, names: Names) -> list[str]:
    """Why there is no verdict, or nothing (about some entries) is beyond chance."""
    if not board.comparison.has_scored_workload:
        return [_not_scored(board.workloads)]
    if len(board.entries) - len(board.without_evidence) < 2:
        return [f"Nothing here is beyond chance: that takes at least {MIN_STUDIES} studies of each submission."]
    few = f"has fewer than {MIN_STUDIES} studies on some workload: its order may always be chance"
    return [f"{names.get(name, name)} {few}" for name in board.without_evidence]


def _not_scored(workloads: Sequence[str]) -> str:
    """Why there is no verdict; certainty.js says the same."""
    *others, last = workloads
    are, their = ("are not scored workloads", "their") if others else ("is not a scored workload", "its")
    names = f"{', '.join(others)} and {last}" if others else last
    return f"{names} {are}, so no verdict is given; {their} times can be compared."


def _pair(pair: Neighbours, scores: Mapping[str, float], names: Names) -> str:
    first, second = (names.get(name, name) for name in (pair.first, pair.second))
    if abs(scores[pair.first] - scores[pair.second]) <= SAME_SCORE:
        return f"{first} and {second} have the same score"
    share = f"{first} is better in {100 * pair.probability:.0f} % of the resamples"
    if pair.is_tie:
        return f"{first} and {second} are tied: {share}"
    return f"{first} before {second} may be chance: {share}"


RANKING = ("rank", "submission", "score", "95 % interval", "n", "speedup", "credit")
"""Columns of `ranking`."""


def ranking(board: Leaderboard) -> list[list[str]]:
    """One row per entry, best first, then one per submission without a result."""
    ranked = [_ranked(board, entry, rank) for entry, rank in zip(board.entries, board.ranks(), strict=True)]
    words = {"unfinished": "unfinished", "pruned": "pruned", "error": "error", "missing": "no results"}
    return ranked + [["-", one.submission, words[one.outcome], *["-"] * 4] for one in board.unranked]


def _ranked(board: Leaderboard, entry: Entry, rank: int) -> list[str]:
    fewest, most = entry.num_studies(board.workloads)
    return [
        str(rank),
        entry.submission,
        f"{entry.score:.4f}",
        "-" if entry.interval is None else f"{entry.interval[0]:.3f}-{entry.interval[1]:.3f}",
        str(most) if fewest == most else f"{fewest}-{most}",
        "-" if entry.speedup is None else f"{entry.speedup:.3f}",
        f"{entry.num_reached(board.workloads)}/{len(board.workloads)}",
    ]


def times(board: Leaderboard) -> list[list[str]]:
    """One row per entry and per submission without a result: its result on each workload and held-out variant."""
    names = (*board.workloads, *board.held_out)
    return [[cell_in_words(entry.cells[name]) for name in names] for entry in board.shown]


def cell_in_words(cell: Cell) -> str:
    """A median time and its qualification, such as "61,885.6 cut", "never 2/5" or "unfinished 41 of 135 s"."""
    if cell.outcome == "missing":
        return "-"
    if cell.outcome == "unfinished" and not cell.unfinished:
        return "unfinished"  # planned, and not begun
    if cell.outcome == "unfinished":
        return f"unfinished {_progress(cell.unfinished[0])}" + _more(cell.unfinished[1:])
    return _time(cell) + (PRUNED_MARK if cell.pruned and cell.outcome != "pruned" else "") + _more(cell.unfinished)


PRUNED_MARK = "*"


def _more(unfinished: Sequence[Unfinished]) -> str:
    return f" ({len(unfinished)} unfinished)" if unfinished else ""


def _progress(trial: Unfinished) -> str:
    """Time on the clock and its limit, such as "41 of 135 s"."""
    seconds = f"{trial.seconds:,.0f}" if trial.seconds >= 10 else f"{trial.seconds:.2f}"
    return f"{seconds} s" if trial.budget_sec is None else f"{seconds} of {trial.budget_sec:,.0f} s"


def _time(cell: Cell) -> str:
    if cell.outcome == "pruned":
        return "pruned"
    if cell.outcome == "error":
        return f"error {cell.errors[0]}/{cell.errors[1]}"
    if math.isinf(cell.seconds):
        return f"never {cell.num_reached}/{cell.num_studies}"
    seconds = f"{cell.seconds:.2f}" if cell.seconds < 100 else f"{cell.seconds:,.1f}"
    return {"cut": f"{seconds} cut", "held-out failed": f"{seconds} void"}.get(cell.outcome, seconds)


def legend(board: Leaderboard) -> tuple[str, ...]:
    """What the columns and words of the tables mean, in short lines."""
    trial = "its fastest trial" if board.rule.best_trial == "time" else "its trial with the fewest evaluations"
    points = "" if board.rule.integral == "exact" else ", on 100 points, as published"
    against = f"speedup: geometric mean over workloads against {board.reference}. " if board.reference else ""
    return (
        f"Time: seconds to the target; of a study, that of {trial}; of a workload, the median over its n studies.",
        f"Score: area under the profile up to {board.rule.max_ratio:g} times the fastest{points}.",
        f"{against}credit: workloads whose time counts.{_error_legend(board)}",
        f"never 2/5: reached in 2 of 5 studies. cut: above {_ratio(board.rule)} times the fastest. void: the held-out "
        f"variant failed. unfinished: not scored yet. -: no results.{_pruned_legend(board)}",
    )


def _error_legend(board: Leaderboard) -> str:
    found = {cell.outcome for entry in board.shown for cell in entry.cells.values()}
    return " error 1/3: the submission's own error ended 1 of 3 studies." if "error" in found else ""


def _pruned_legend(board: Leaderboard) -> str:
    return f" {PRUNED_MARK}: some runs were pruned." if board.comparison.pruned else ""


def _ratio(rule: ScoringRule) -> str:
    return f"{rule.max_ratio:g}" if rule.max_ratio != MAX_RATIO else "4"


def remarks(board: Leaderboard) -> Iterator[tuple[str, list[str]]]:
    """Titles and lines of all remarks; kinds without a line are omitted."""
    comparison = board.comparison
    kinds = [
        ("Models", models_in_words(board)),
        ("Disturbed times", disturbed_in_words(comparison.trials)),
        ("Unfinished, not scored", unfinished_in_words(comparison.unfinished, comparison.plan)),
        ("Pruned", pruned_in_words(comparison.pruned)),
        ("Is the order certain?", uncertainty_in_words(board)),
        ("Contradicted by the parent of the trial", contradicted_in_words(comparison.trials)),
        ("Charged for long evaluations", charged_in_words(comparison.trials)),
        ("Verified times to target", verification_in_words(comparison.trials)),
        ("Missing results", _missing(comparison.missing)),
        ("Problems", _findings(comparison.problems)),
        ("Notes", _findings(comparison.notes)),
    ]
    yield from ((title, lines) for title, lines in kinds if lines)


def contradicted_in_words(trials: Iterable[RecordedTrial], names: Names = FOLDERS) -> list[str]:
    """The runs whose own records differ from what their parents measured, were told or wrote."""
    return [
        f"{_place(trial, names)}. Do not trust its time; {checking([trial])} says what differs."
        for trial in trials
        if trial.facts.contradicted
    ]


def charged_in_words(trials: Iterable[RecordedTrial], names: Names = FOLDERS) -> list[str]:
    """The runs whose evaluations took longer than allowed, and how much that adds to their times."""
    return [
        f"{_place(trial, names)}: its evaluations took {trial.facts.charged_sec:,.1f} s longer than allowed, which "
        "counts as submission time."
        for trial in trials
        if trial.facts.charged_sec
    ]


def _place(trial: RecordedTrial | Unfinished, names: Names) -> str:
    """Which trial it is, such as "amos: wmt study 1, trial 2"."""
    number = trial.number if isinstance(trial, RecordedTrial) else trial.trial
    name = names.get(trial.submission, trial.submission)
    return f"{name}: {trial.workload} study {trial.study}, trial {number}"


def verification_in_words(trials: Iterable[RecordedTrial], names: Names = FOLDERS) -> list[str]:
    """How many times to target were checked by `algoperf evaluate`, and which were found wrong; none for old logs."""
    found = [trial for trial in trials if trial.facts.verification is not None]
    if not found:
        return []
    agree = sum(trial.facts.verification == "agrees" for trial in found)
    differ = [trial for trial in found if trial.facts.verification in REFUTED]
    again = EVALUATED_AGAIN[found[0].facts.track]  # trials of different tracks are never compared
    lines = [f"{agree} of {len(found)}: their checkpoints have the recorded metrics when they are {again}."]
    lines += [
        f"{_place(trial, names)} {REFUTED[trial.facts.verification]}. Its evaluations do not count." for trial in differ
    ]
    if agree + len(differ) < len(found):
        lines.append("`algoperf evaluate` verifies the others, if their checkpoints are there.")
    return lines


def unfinished_in_words(trials: Sequence[Unfinished], plan: Plan | None, names: Names = FOLDERS) -> list[str]:
    """One line per trial, and what to do; its plan may know whether it still runs."""
    lines = [f"{_place(one, names)} is {_state(one, plan)}, {_progress(one)}" for one in trials]
    return (
        [*lines, "The command that started a trial resumes it. Until then its study does not count."] if lines else []
    )


def _state(trial: Unfinished, plan: Plan | None) -> str:
    """How an unfinished trial stands: its status "running" is also what a lost machine leaves behind."""
    run = None if plan is None else plan.find(trial.submission, trial.workload, trial.study, trial.trial)
    if trial.status != "running":
        return trial.status
    if run is None or run.phase not in ("running", "lost", "silent"):
        return "running, or lost with its process"
    return phase_in_words(run.phase, [run])


def pruned_in_words(trials: Sequence[Pruned], names: Names = FOLDERS) -> list[str]:
    """One line per submission, and what follows."""
    lines = []
    for name in dict.fromkeys(one.submission for one in trials):
        own = [one for one in trials if one.submission == name]
        rules = Counter(one.rule or "no rule" for one in own)
        listed = ", ".join(f"{number} {rule}" for rule, number in rules.most_common())
        not_begun = sum(not one.has_begun for one in own)
        of_them = f", {not_begun} of them not begun" if not_begun else ""
        lines.append(f"{names.get(name, name)}: {counted(len(own), 'run')} not run to the end{of_them} ({listed})")
    if lines:
        lines.append(
            "Pruned runs allow no intervals. Curves, costs, speedups and relaxed targets are of what was run. Without "
            "its prune.json, the command that started a run resumes it."
        )
    return lines


def disturbed_in_words(trials: Sequence[RecordedTrial]) -> list[str]:
    """One line about the runs whose times are longer than they should be; none without such runs."""
    disturbed = [trial for trial in trials if trial.facts.disturbed]
    if not disturbed:
        return []
    said = in_words([trial.facts.disturbed for trial in disturbed], len(trials))
    return [f"{said} {checking(disturbed)} {'says' if len(roots(disturbed)) == 1 else 'say'} which."]


def warnings(board: Leaderboard) -> list[str]:
    """What has to be known before any number is read, most important first."""
    plan = board.comparison.plan
    machines = _differing_hardware(board) or recorded_elsewhere(board.comparison.trials)
    return [text for text in (plan.in_words() if plan else "", machines) if text]


def _differing_hardware(board: Leaderboard) -> str:
    if len(board.hardware) < 2:
        return ""
    of: dict[str, list[str]] = {name: [] for name in board.hardware}
    for trial in board.comparison.trials:
        if trial.facts.hardware and trial.submission not in of[trial.facts.hardware]:
            of[trial.facts.hardware].append(trial.submission)
    listed = "; ".join(f"{hardware} ({', '.join(sorted(names))})" for hardware, names in of.items())
    return (
        "Hardware differs: these times, and so ranks, scores and speedups, cannot be compared with each other. "
        f"{listed}. Train all of them on one machine to "
        "compare them: `make compare`, or `make demo` and then AGAINST=demo/runs."
    )


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
