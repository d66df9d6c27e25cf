"""How generous the allowance for evaluations apart is: what honest trials took besides the seconds they stood still.

    python benchmarks/apart_allowance.py FOLDER...

Every trial below the folders counts whose evaluations were all apart, once if there are copies; all of them must be of
honest submissions. *Needed base* is what the base of the allowance would have had to be at least for a trial not to be
charged, if an evaluation has APART_SEC; below 0, none was needed. A trial is `alone`, `busy` (other programs kept cores
busy) or `shared` (beside others on purpose: never charged).
"""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import common

from algoperf.records.allowance import APART_BASE_SEC, APART_SEC, BYTES_PER_SEC
from algoperf.records.json_file import read_object
from algoperf.records.layout import REFEREE_FILE, STATUS_FILE
from algoperf.trial.machine_watch import load_warnings, was_busy

QUANTILES = (0.5, 0.9, 0.99)
CERTAINTY = 0.95


def around_sec(evaluations: Sequence[Mapping[str, Any]]) -> list[float]:
    """Seconds of each evaluation for which its trial neither stood still nor may have written a checkpoint."""
    before = [{"logging_sec": 0.0, "saved_bytes": 0}, *evaluations]
    return [
        each["evaluation_sec"] - each["stood_sec"] + last["logging_sec"] - last["saved_bytes"] / BYTES_PER_SEC
        for each, last in zip(evaluations, before, strict=False)
    ]


def needed_base_sec(around: Sequence[float]) -> float:
    """The least base with which a trial is not charged for evaluations of such seconds; may be negative."""
    return max(sec - APART_SEC * count for count, sec in enumerate(itertools.accumulate(around), start=1))


def trials(folders: Iterable[Path]) -> dict[str, list[list[float]]]:
    """`around_sec` of all trials whose evaluations were apart, by what else the machine did."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    seen = set()
    for folder in folders:
        for path in sorted(folder.rglob(REFEREE_FILE)):
            account = read_object(path) or {}
            evaluations = account.get("evaluations") or []
            same = json.dumps(evaluations)
            if account.get("evaluation") == "apart" and all(each.get("stood_sec") for each in evaluations):
                if evaluations and same not in seen:
                    found[_machine(read_object(path.with_name(STATUS_FILE)) or {})].append(around_sec(evaluations))
                seen.add(same)
    return found


def _machine(status: Mapping[str, Any]) -> str:
    if (status.get("machine") or {}).get("shared"):
        return "shared"
    return "busy" if was_busy(load_warnings(status)) else "alone"


def row(kind: str, found: Sequence[Sequence[float]]) -> dict[str, Any]:
    """A row of the table."""
    each = sorted(itertools.chain.from_iterable(found))
    bases = [needed_base_sec(around) for around in found]
    charged = sum(base > APART_BASE_SEC for base in bases)
    return {
        "machine": kind,
        "trials": len(found),
        "evaluations": len(each),
        **{f"{part:.0%}, s": each[math.ceil(part * len(each)) - 1] for part in QUANTILES},
        "longest, s": each[-1],
        "needed base, s": max(bases),
        "charged": charged,
        "at most": "" if charged else f"{1 - (1 - CERTAINTY) ** (1 / len(found)):.1%}",
    }


def main() -> None:
    """Print the table."""
    parser = common.parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    found = trials(arguments.folders)
    title = (
        f"Seconds of an evaluation apart besides the standstill; allowed are {APART_SEC:g} s each, and "
        f"{APART_BASE_SEC:g} s a trial. At most: what part of such trials are charged, {CERTAINTY:.0%} certain"
    )
    common.report(title, [row(kind, found[kind]) for kind in sorted(found)], arguments.json)


if __name__ == "__main__":
    main()
