"""Which points of an algorithm the search tries: quasi-random ones of its search space, and its own one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from algoperf.blocks import self_tuning
from algoperf.submission.loading import SEARCH_SPACE_FILE, submission_file, submission_name
from algoperf.tuning.search_space import SearchSpace

# The published space of NAdamW, whose baseline lists five points that were once found in it.
_NADAMW, _LISTED = "nadamw_search_space.json", ("nadamw_jax", "nadamw_pytorch")


def search_space(algorithm: Path) -> Path:
    """The file with the published search space of an algorithm: a range, where it has one."""
    file = submission_file(algorithm)
    if submission_name(file) in _LISTED:
        return Path(str(resources.files("algoperf.targets").joinpath(_NADAMW)))
    return file.parent / SEARCH_SPACE_FILE


def num_points(space: SearchSpace, trials: int) -> int:
    """How many points there are to try: a list may have fewer than are asked for."""
    return min(trials, len(space)) if isinstance(space, list) else trials


def own_point(algorithm: Path) -> dict[str, Any] | None:
    """The point that an algorithm comes with: what a baseline uses under self-tuning; None for other submissions."""
    settings = self_tuning.of_baseline(submission_name(submission_file(algorithm)))
    return None if settings is None else dict(settings)
