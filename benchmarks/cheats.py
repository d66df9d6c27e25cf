"""What each known cheat wins: its official time to target on digits, beside that of the honest one it was made of.

Each trial has a parent and evaluations apart. A cheat wins the seconds by which its official time to target is shorter,
if that time counts: a finished trial that no check contradicts, whose target is verified. Rows that `algoperf check`
finds are trained all the same. Honest trials are made first, last and in between; a win within their range is none.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common

from algoperf.records.allowance import charges
from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf_scoring.facts import read_facts

CHEATS = common.ROOT / "tests" / "cheats"
STEPS, EVERY = 120, 20
HONEST_EVERY = 12  # cheats between two honest trials
LEFT_OUT = {"endless"}  # it never ends


def table() -> dict[str, str]:
    """What catches each cheat, by the table of the tests."""
    rows = [line.split(" | ") for line in (CHEATS / "README.md").read_text().splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| "): row[1] for row in rows[1:] if (CHEATS / row[0].removeprefix("| ")).is_dir()}


def train(server: subprocess.Popen[str], submission: Path, folder: Path) -> dict[str, Any]:
    """One trial; how it ended, its official time to target, charges included, and why that does not count."""
    shutil.copytree(common.DATA / "digits", folder / "data" / "digits")  # one of them changes it
    options = {
        "workload": "digits", "framework": "pytorch", "submission": submission, "ruleset": "self",
        "data-dir": folder / "data", "output-dir": folder, "max-global-steps": STEPS,
        "eval-every-steps": EVERY, "num-processes": 1,
        "evaluation": "apart",
    }  # fmt: skip
    words = ["train", "--share", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps([words, str(folder / "log"), True]), file=server.stdin, flush=True)
    server.stdout.readline()
    trial = trial_dir(folder, submission.stem, 1, "digits", "pytorch", 1)
    status = read_status(trial) or {}
    reached = status.get("target_reached_at") or {}
    found: dict[str, Any] = {"status": status.get("status", "nothing"), "sec": None, "why": ""}
    if not status:
        return found
    facts = read_facts(trial)
    if reached:
        status["machine"]["shared"] = False  # else nothing would be charged
        (trial / "status.json").write_text(json.dumps(status))
        found["sec"] = reached["submission_sec"] + charges(trial).get(reached["global_step"], 0.0)
    found["why"] = _why_not(facts, bool(reached))
    return found


def _why_not(facts: Any, reached: bool) -> str:
    if facts.is_unfinished or facts.finished is False:
        return "no result"
    if facts.contradicted:
        return "the parent contradicts"
    if not reached:
        return "no target"
    return "" if facts.verification == "agrees" else "not verified"


def row(name: str, by: str, found: dict[str, Any], honest: float) -> dict[str, Any]:
    """A row of the table; `honest` is the quickest honest trial."""
    counts = found["sec"] is not None and not found["why"]
    return {
        "cheat": name,
        "caught by": by,
        "status": found["status"],
        "official s": "" if found["sec"] is None else round(found["sec"], 2),
        "counts": "yes" if counts else f"no: {found['why'] or 'no target'}",
        "won s": round(max(0.0, honest - found["sec"]), 2) if counts else 0,
    }


def main() -> None:
    """Print the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--only", nargs="*", help="names of cheats")
    arguments = parser.parse_args()
    common.prepare("digits")
    names = {name: by for name, by in table().items() if name in (arguments.only or table()) and name not in LEFT_OUT}
    script, environment = [sys.executable, str(common.ROOT / "tests" / "support" / "cheat_trials.py")], {**os.environ}
    found: dict[str, dict[str, Any]] = {}
    honest: list[float] = []
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(
            script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place, env=environment
        ) as server,
    ):
        for count, name in enumerate([*names, ""]):
            if count % HONEST_EVERY == 0 or not name:
                honest.append(train(server, CHEATS / "honest.py", Path(tempfile.mkdtemp(dir=place)))["sec"])
            if name:
                found[name] = train(server, CHEATS / name, Path(tempfile.mkdtemp(dir=place)))
                print(name, found[name], file=sys.stderr, flush=True)
    rows = [row(name, by, found[name], min(honest)) for name, by in names.items()]
    times = ", ".join(f"{sec:.2f}" for sec in honest)
    title = f"Official seconds to target. Honest trials: {times} (median {statistics.median(honest):.2f})"
    common.report(title, rows, arguments.json)
    print(f"\n{common.machine()}")


if __name__ == "__main__":
    main()
