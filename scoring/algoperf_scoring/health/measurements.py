"""The last row of measurements.csv, which marks a published run as ended according to the rules."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

_TAIL_BYTES = 4096  # the last row is short: three numbers and commas
_FINAL_FIELDS = {"global_step", "score", "preemption_count"}


def read_final_sec(file: Path) -> float | None:
    """Submission time at the end of a run; None if the last row is a different one, as in interrupted runs."""
    try:
        with file.open("rb") as stream:
            header = next(csv.reader([stream.readline().decode("utf-8-sig", errors="replace")]), [])
            stream.seek(max(stream.tell(), os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
            tail = stream.read().decode("utf-8", errors="replace")
        if not tail.endswith("\n"):
            return None  # the last row is incomplete
        fields = next(csv.reader(tail.splitlines()[-1:]), [])
        row = {name: field for name, field in zip(header, fields, strict=True) if field}
        seconds = float(row["score"]) if row.keys() <= _FINAL_FIELDS else math.nan
    except (OSError, ValueError, KeyError, csv.Error):
        return None
    return seconds if 0 <= seconds < math.inf else None
