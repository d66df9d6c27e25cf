"""What `evaluation.json` says about the checkpoint that reached the target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from algoperf.records.json_file import read_object
from algoperf.records.layout import EVALUATION_FILE

SWAPPED = "this is not the checkpoint that was written when the target was reached"
"""The mismatch of a checkpoint whose hash is not that in `referee.json`."""

Verification = Literal["agrees", "differs", "swapped", "missing"]
"""Metrics that a process without the submission's code computed from a checkpoint: as recorded, others, none because
the checkpoint was replaced after the target had been reached, or none yet."""

REFUTED: Mapping[str | None, str] = {
    "differs": "has OTHER metrics than recorded",
    "swapped": "has ANOTHER checkpoint than that of its target",
}
"""Verdicts with which a time to target does not count, in words."""


def verification(folder: Path, reached: Any) -> Verification | None:
    """The verdict on the trial in `folder`; `reached` is what its status says about when it reached the target.

    None if it did not.
    """
    if not isinstance(reached, Mapping):
        return None
    checkpoints = (read_object(folder / EVALUATION_FILE) or {}).get("checkpoints")
    name = f"checkpoint_{reached.get('global_step')}"
    for one in checkpoints if isinstance(checkpoints, list) else ():
        if isinstance(one, dict) and one.get("checkpoint") == name and (one.get("recorded") or one.get("mismatches")):
            if one.get("mismatches") == [SWAPPED]:
                return "swapped"
            return "differs" if one.get("mismatches") != [] else "agrees"
    return "missing"
