"""What the cells of a competition tell about each other: how much time still gives credit, and which variants count."""

from __future__ import annotations

import math
from collections.abc import Mapping

from algoperf_scoring.pruning.bounds import Bounds
from algoperf_scoring.pruning.state import Known
from algoperf_scoring.rules import DOCUMENTED, ScoringRule


def known_about(
    submission: str,
    workload: str,
    found: Mapping[tuple[str, str], Bounds],
    held_out: Mapping[str, str],
    rule: ScoringRule = DOCUMENTED,
) -> Known:
    """What is known about a cell.

    A workload with a held-out variant is never cut. Whether the submission reached its target decides whether its time
    on the variant sets the scale for the others, and "cut" would leave that open.

    Args:
      submission, workload: which cell.
      found: bounds by submission and workload (or variant), as far as there are any.
      held_out: the held-out variant by workload.
      rule: `max_ratio` and `held_out` are used.
    """
    variants = {variant: base for base, variant in held_out.items()} if rule.held_out else {}
    if workload in variants.values():
        return Known()
    base = variants.get(workload)
    # A time on a variant counts for the others only if the submission reached the target of the workload itself.
    medians = [
        bounds.upper
        for (name, where), bounds in found.items()
        if where == workload and (base is None or _is_reached(found.get((name, base))))
    ]
    own = None if base is None else found.get((submission, base))
    return Known(cut_sec=rule.max_ratio * min(medians, default=math.inf), is_void=own is not None and own.has_failed)


def _is_reached(bounds: Bounds | None) -> bool:
    return bounds is not None and math.isfinite(bounds.upper)
