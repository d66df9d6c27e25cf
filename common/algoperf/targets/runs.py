"""The runs of a campaign as curves, and which of them are not needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE
from algoperf.records.prune_order import PruneOrder, read_order, write_order
from algoperf.records.status import read_status
from algoperf.targets.protocol import Curve, best, is_better
from algoperf.versions import Limits

RULE = "saturated"
"""Name of the rule by which runs are pruned."""


def read_curves(campaign: Campaign, limits: Limits) -> list[Curve]:
    """The curves of all runs, in the order of the plan."""
    return [read_curve(run, campaign.records(run), limits) for run in campaign.manifest.runs]


def read_curve(run: PlannedRun, folder: Path, limits: Limits) -> Curve:
    """The curve of a run, as far as it has come."""
    rows = CsvFile.read(folder / EVAL_FILE)
    values = {split: tuple(_number(row.get(f"{split}/{limits.metric}")) for row in rows) for split in _SPLITS}
    status = read_status(folder) or {}
    return Curve(
        run=run.id,
        submission=run.submission,
        seed=run.seed,
        point=dict(run.point or {}),
        status=str(status.get("status", "not begun")),
        steps=tuple(int(row["global_step"]) for row in rows),
        **values,
    )


_SPLITS = ("validation", "test")


def _number(text: str | None) -> float:
    value = float(text or "nan")
    return value if math.isfinite(value) else math.nan


class Saturation:
    """Prunes what cannot be chosen (`schedule.Pruning`): runs planned after one that has the best possible value.

    Among equals the protocol chooses the first, so that neither they nor the rest of that run can change the choice.
    """

    def __init__(self, campaign: Campaign, limits: Limits, best_possible: float) -> None:
        """`best_possible`: of the validation metric; infinite if it has no bound, and then nothing is pruned."""
        self._campaign, self._limits, self._bound = campaign, limits, best_possible
        self._short: set[str] = set()  # runs that have ended without that value

    def order(self) -> Iterator[str]:
        """Order runs to be pruned; a line for each."""
        first = self._first()
        if first is None:
            return
        runs = self._campaign.manifest.runs
        for run in runs[runs.index(first) :]:
            folder = self._campaign.records(run)
            if self._has_ended(run) or read_order(folder) is not None:
                continue
            reason = f"{first.id} has a validation {self._limits.metric} of {self._bound:g}, which nothing can exceed."
            write_order(folder, PruneOrder(reason, RULE))
            yield f"{run.id}: pruned ({RULE}). {reason}"

    def in_order(self, waiting: Sequence[PlannedRun]) -> list[PlannedRun]:
        """As planned: the choice among equals depends on it."""
        return list(waiting)

    def _first(self) -> PlannedRun | None:
        if not math.isfinite(self._bound):
            return None
        return next((run for run in self._campaign.manifest.runs if self._is_saturated(run)), None)

    def _is_saturated(self, run: PlannedRun) -> bool:
        if run.id in self._short:
            return False
        has_ended = self._has_ended(run)
        value = best(read_curve(run, self._campaign.records(run), self._limits), self._limits.goal)
        is_saturated = not is_better(self._bound, value, self._limits.goal)
        if has_ended and not is_saturated:
            self._short.add(run.id)
        return is_saturated

    def _has_ended(self, run: PlannedRun) -> bool:
        status: dict[str, Any] = read_status(self._campaign.records(run)) or {}
        return bool(status.get("finished"))
