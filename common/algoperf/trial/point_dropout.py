"""The dropout rate of a trial's point, which the runners of v0.5 and of the scored runs of v0.6 applied themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from algoperf.errors import UserError
from algoperf.submission.loading import Submission
from algoperf.versions import Version
from algoperf.workload.definition import WorkloadDefinition

RATE, AUX_RATE = "dropout_rate", "aux_dropout_rate"


def applies(version: Version, submission: Submission) -> bool:
    """Whether the point's rate is the model's default: in versions whose runner did that, and for code of v0.5."""
    return version.point_sets_dropout or submission.uses_older_name


def with_point_dropout(
    definition: WorkloadDefinition, point: Mapping[str, Any] | None, version: Version, submission: Submission
) -> tuple[WorkloadDefinition, list[str]]:
    """The workload with the dropout rate that `model_fn` uses if it is given none, and what to tell the user.

    Raises UserError if the point's rate is no rate.
    """
    point = point or {}
    if definition.dropout is None or not {RATE, AUX_RATE} & set(point):
        return definition, []
    applied = RATE in point and applies(version, submission)
    notes = list(_notes(definition, point, version, applied))
    return (dataclasses.replace(definition, dropout=_rate(point)) if applied else definition), notes


def _rate(point: Mapping[str, Any]) -> float:
    rate = point[RATE]
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate < 1:
        raise UserError(
            f"The trial's point has {RATE} {rate!r}. Allowed: a number from 0 to below 1. Correct the search space."
        )
    return float(rate)


def _notes(definition: WorkloadDefinition, point: Mapping[str, Any], version: Version, applied: bool) -> Iterator[str]:
    if applied:
        yield f"note: {RATE} {point[RATE]} of the trial's point is the model's default, unless model_fn is given one."
    elif RATE in point:
        yield (
            f"WARNING: {RATE} {point[RATE]} of the trial's point is not applied in version {version.name}: the model "
            f"uses its default, {definition.dropout}, unless the submission passes {RATE} to model_fn."
        )
    if AUX_RATE in point and not (applied and point[AUX_RATE] == point[RATE]):
        yield f"WARNING: {AUX_RATE} {point[AUX_RATE]} of the trial's point is not applied: models take one rate."
