"""Where the files of a run lie, and what they are called: the published layout.

`<submission>/study_<k>/<workload>_<framework>/trial_<j>/` holds `eval_measurements.csv`, `measurements.csv`,
`hparams.json` (external tuning), `meta_data_<p>.json` and `flags_<p>.json` (p = number of preemptions), and
`status.json`. Runs of this harness also have `referee.json`, the account that the parent of the trial kept.
"""

from __future__ import annotations

import re
from pathlib import Path

EVAL_FILE = "eval_measurements.csv"
MEASUREMENTS_FILE = "measurements.csv"
HPARAMS_FILE = "hparams.json"
STATUS_FILE = "status.json"
REFEREE_FILE = "referee.json"
EVALUATION_FILE = "evaluation.json"  # written by `algoperf evaluate`
LOG_FILE = "log.txt"  # no record: what was shown while it ran
PRUNE_FILE = "prune.json"  # no record: an order, see prune_order.py
RESERVE_FILE = ".reserve"  # room for the records of the end, if the disk is full by then
_NUMBERED = re.compile(r"(?:meta_data|flags)_\d+\.json")


def is_record(name: str) -> bool:
    """Whether a file of this name in a trial's folder is a record of the run."""
    return name in (EVAL_FILE, MEASUREMENTS_FILE, HPARAMS_FILE, STATUS_FILE, REFEREE_FILE) or bool(
        _NUMBERED.fullmatch(name)
    )


def trial_dir(root: Path, submission: str, study: int, workload: str, framework: str, trial: int) -> Path:
    """Where the files of one trial lie."""
    return root / submission / f"study_{study}" / f"{workload}_{framework}" / f"trial_{trial}"
