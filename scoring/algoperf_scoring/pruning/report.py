"""What a replay found, as JSON values and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from algoperf.text import counted
from algoperf_scoring.profiles import Array
from algoperf_scoring.pruning.replay import Replay, Replayed
from algoperf_scoring.reading import Comparison

_HOUR = 3600.0
_SHOWN = 20
RULES = {
    "reached": "reached the validation target",
    "beaten": "slower than the best trial of the study",
    "settled": "the median over studies is known",
    "below": "the study is below the median whatever else happens",
    "above": "the study cannot be below the median",
    "cut": "slower than the largest ratio to the fastest",
    "void": "held-out variant of a workload that failed",
    "futile": "too far behind (may be wrong)",
}
"""What each rule says, in the order of the table."""


@dataclass(frozen=True)
class ReplayReport:
    """A replay and what it is compared with.

    Attributes:
      comparison: the recorded runs.
      prune: "exact" or "futility"; error: the stated error of the latter, else None.
      at_once: runs of a submission on one workload at the same time.
      replay: what would have been run.
      recorded, pruned: scores of the submissions, without and with pruning.
    """

    comparison: Comparison
    prune: str
    error: float | None
    at_once: int
    replay: Replay
    recorded: Array
    pruned: Array

    @property
    def are_scores_equal(self) -> bool:
        """Whether all scores are equal, to the last bit."""
        return self.recorded.tobytes() == self.pruned.tobytes()


def to_json(report: ReplayReport) -> dict[str, Any]:
    """The report as JSON values; docs/pruning.md describes them."""
    comparison, runs = report.comparison, report.replay.runs
    pruned = [run for run in runs if run.verdict is not None]
    wrong = [run for run in runs if run.is_wrongly_stopped]
    calendar = list(report.replay.cell_sec.values())
    return {
        "version": comparison.version.name,
        "ruleset": comparison.ruleset,
        "scale": comparison.scale,
        "basis": comparison.basis,
        "prune": report.prune,
        "error": report.error,
        "at_once": report.at_once,
        "hours": _hours(runs),
        "hours_by_workload": {
            name: _hours(run for run in runs if run.workload == name) for name in comparison.results.columns
        },
        "hours_by_submission": {
            name: _hours(run for run in runs if run.submission == name) for name in comparison.results.submissions
        },
        "calendar_hours": {"mean": sum(calendar) / len(calendar) / _HOUR, "most": max(calendar) / _HOUR},
        "runs": {
            "recorded": len(runs),
            "skipped": sum(run.spent_sec == 0 for run in pruned),
            "stopped": sum(run.spent_sec > 0 for run in pruned),
        },
        "rules": {rule: _of_rule(pruned, rule) for rule in RULES},
        "wrongly_stopped": {
            "num_runs": len(wrong),
            "of": len(wrong) + sum(run.has_reached for run in runs),
            "runs": [_place(run) for run in wrong],
        },
        "scores": {
            name: {"recorded": float(before), "pruned": float(after)}
            for name, before, after in zip(comparison.results.submissions, report.recorded, report.pruned, strict=True)
        },
        "are_scores_equal": report.are_scores_equal,
    }


def _hours(runs: Iterable[Replayed]) -> dict[str, float | None]:
    recorded = pruned = 0.0
    for run in runs:
        recorded += run.curve.total_sec / _HOUR
        pruned += run.spent_sec / _HOUR
    ratio = recorded / pruned if pruned else None
    return {"recorded": recorded, "pruned": pruned, "saved": recorded - pruned, "ratio": ratio}


def _of_rule(pruned: Iterable[Replayed], rule: str) -> dict[str, float]:
    found = [run for run in pruned if run.verdict is not None and run.verdict.rule == rule]
    saved = sum(run.curve.total_sec - run.spent_sec for run in found)
    return {"num_runs": len(found), "hours_saved": saved / _HOUR}


def _place(run: Replayed) -> str:
    trial = run.curve.result.trial
    return f"{run.submission}/study_{run.curve.study}/{run.workload}_{trial.framework}/trial_{trial.number}"


def print_report(report: ReplayReport, console: Console | None = None) -> None:
    """Print the report to the terminal."""
    (console or Console()).print(Group(*_parts(report)), crop=False)


def _parts(report: ReplayReport) -> Iterator[RenderableType]:
    content = to_json(report)
    hours, counts, calendar = content["hours"], content["runs"], content["calendar_hours"]
    how = "exact" if report.error is None else f"futility, error {report.error:g}"
    yield Text(
        f"AlgoPerf {content['version']}, {content['ruleset']} ruleset, pruned: {how}. "
        f"{counted(report.at_once, 'run')} of a submission on a workload at once."
    )
    yield Text(
        f"{hours['pruned']:,.0f} hours instead of {hours['recorded']:,.0f}: {hours['saved']:,.0f} saved, "
        f"{_ratio(hours['ratio'])}. Of {counts['recorded']:,} runs, {counts['skipped']:,} were not begun and "
        f"{counts['stopped']:,} stopped early. A workload takes {calendar['mean']:,.0f} hours from its first run to "
        f"its last, at most {calendar['most']:,.0f}."
    )
    yield _table(("saved because", "runs", "hours"), _rule_rows(content["rules"]))
    yield _table(("workload", "hours", "pruned", "saved"), _hour_rows(content["hours_by_workload"]))
    yield _table(("submission", "hours", "pruned", "saved"), _hour_rows(content["hours_by_submission"]))
    scores = sorted(content["scores"].items(), key=lambda item: -item[1]["recorded"])
    yield _table(
        ("score of", "recorded", "pruned", ""),
        ([name, f"{both['recorded']:.6f}", f"{both['pruned']:.6f}", _change(**both)] for name, both in scores),
    )
    yield Text("All scores are equal, to the last bit." if report.are_scores_equal else "Scores differ.")
    if report.error is not None:
        wrong = content["wrongly_stopped"]
        yield Text(
            f"Wrongly stopped: {wrong['num_runs']} of {wrong['of']} runs that reach the target early enough to count "
            f"(allowed: {report.error:.0%})."
        )
        hidden = [f"  ... and {wrong['num_runs'] - _SHOWN} more"] if wrong["num_runs"] > _SHOWN else []
        for line in [*(f"  {place}" for place in wrong["runs"][:_SHOWN]), *hidden]:
            yield Text(line, no_wrap=True, overflow="ignore")


def _ratio(ratio: float | None) -> str:
    return "nothing was run" if ratio is None else f"{ratio:.2f} times less"


def _change(recorded: float, pruned: float) -> str:
    return "equal" if recorded == pruned else f"{pruned - recorded:+.6f}"


def _rule_rows(rules: dict[str, dict[str, float]]) -> Iterator[list[str]]:
    for rule, found in rules.items():
        if found["num_runs"]:
            yield [RULES[rule], f"{found['num_runs']:,}", f"{found['hours_saved']:,.0f}"]


def _hour_rows(hours: dict[str, dict[str, float | None]]) -> Iterator[list[str]]:
    for name, of_name in hours.items():
        ratio = of_name["ratio"]
        shown = "all" if ratio is None else f"{ratio:.2f}x"
        yield [name, f"{of_name['recorded']:,.0f}", f"{of_name['pruned']:,.0f}", shown]


def _table(header: Iterable[str], rows: Iterable[list[str]]) -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left", overflow="fold" if not place else "ellipsis")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
