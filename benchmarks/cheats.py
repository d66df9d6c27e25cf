"""What each known cheat wins: its official time to target on digits, beside that of the honest one it was made of.

Each trial has a parent and evaluations apart. A cheat wins the seconds by which its official time to target is shorter,
if that time counts: a finished trial that no check contradicts, whose target is verified. Rows that `algoperf check`
finds are trained all the same. Every submission is trained under one name, so all have the same seed: one that does not
change training reaches the target at the step of the honest one. Honest trials are made first, last and in between; a
win within their range is none. `--install` puts the table of all cheats into docs/cheats.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common

from algoperf.data.files import write_file
from algoperf.errors import unknown
from algoperf.records.allowance import charges
from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf_scoring.facts import read_facts

SUPPORT = common.ROOT / "tests" / "support"
sys.path.append(str(SUPPORT))

from cheat_table import CHEATS, HONEST, table  # noqa: E402

PAGE = common.ROOT / "docs" / "cheats.md"
STEPS, EVERY = 400, 20  # the honest submissions reach the target within 200
HONEST_EVERY = 12  # cheats between two honest trials
LEFT_OUT = {"endless"}  # it never ends
NAME = "trained"  # of every submission: the seed follows from it
_MEASURED = re.compile(r"^Measured on (?:.+\n)+\n(?:\|.*\n)+", re.MULTILINE)  # a paragraph, then a table
_WIDTH = 120


class Trials:
    """Makes trials, each in a fork of one process.

    Attributes:
      loads: the load of the machine before each.
    """

    def __init__(self, place: Path) -> None:
        """`place`: a folder for all of them."""
        self._place = place
        self.loads: list[float] = []
        script = [sys.executable, str(SUPPORT / "cheat_trials.py")]
        self._server = subprocess.Popen(
            script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place, bufsize=1
        )

    def close(self) -> None:
        """End the process."""
        self._server.communicate()

    def of(self, name: str, framework: str) -> dict[str, Any]:
        """How a trial ended, its official time to target, charges included, step, and why the time does not count."""
        folder = Path(tempfile.mkdtemp(dir=self._place))
        self.loads.append(os.getloadavg()[0])
        self._train(_staged(name, folder / "code"), framework, folder)
        trial = trial_dir(folder, NAME, 1, "digits", framework, 1)
        status = read_status(trial) or {}
        found: dict[str, Any] = {"status": status.get("status", "nothing"), "step": None, "sec": None, "why": ""}
        if not status:
            return {**found, "why": "no result"}
        facts, reached = read_facts(trial), status.get("target_reached_at") or {}
        if reached:
            status["machine"]["shared"] = False  # else nothing would be charged
            (trial / "status.json").write_text(json.dumps(status))
            found["step"] = reached["global_step"]
            found["sec"] = reached["submission_sec"] + charges(trial).get(reached["global_step"], 0.0)
        return {**found, "why": _why_not(facts, bool(reached))}

    def _train(self, submission: Path, framework: str, folder: Path) -> None:
        shutil.copytree(common.DATA / "digits", folder / "data" / "digits")  # one of them changes it
        options = {
            "workload": "digits", "framework": framework, "submission": submission, "ruleset": "self",
            "data-dir": folder / "data", "output-dir": folder, "max-global-steps": STEPS,
            "eval-every-steps": EVERY, "num-processes": 1, "evaluation": "apart",
        }  # fmt: skip
        words = ["train", "--share", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps([words, str(folder / "log"), True]), file=self._server.stdin, flush=True)
        self._server.stdout.readline()


def _staged(name: str, folder: Path) -> Path:
    """A submission under the name that all have, beside the modules that they import; honest ones take the same way."""
    submission = folder / NAME
    submission.mkdir(parents=True)
    for module in CHEATS.glob("*.py"):
        if not module.name.startswith("test_"):
            shutil.copy(module, folder)
    if name in HONEST.values():
        functions = "data_selection, get_batch_size, init_optimizer_state, update_params"
        (submission / "submission.py").write_text(f"from {name} import {functions}  # noqa: F401\n")
    else:
        shutil.copytree(CHEATS / name, submission, dirs_exist_ok=True)
    return submission


def _why_not(facts: Any, reached: bool) -> str:
    if facts.is_unfinished or facts.finished is False:
        return "no result"
    if facts.contradicted:
        return "the parent contradicts"
    if not reached:
        return "no target"
    return "" if facts.verification == "agrees" else "not verified"


def row(name: str, by: str, found: Mapping[str, Any], honest: float) -> dict[str, Any]:
    """A row of the table; `honest` is the quickest honest trial of its framework."""
    counts = found["sec"] is not None and not found["why"]
    return {
        "cheat": name,
        "caught by": by,
        "status": found["status"],
        "step": "" if found["step"] is None else found["step"],
        "official s": "" if found["sec"] is None else f"{found['sec']:.1f}",
        "counts": "yes" if counts else f"no: {found['why'] or 'no target'}",
        "won s": f"{max(0.0, honest - found['sec']):.1f}" if counts else 0,
    }


def measured(names: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """The rows of the cheats, and how they were measured. SystemExit if an honest trial has no target at first."""
    known, rows = table(), []
    honest: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as place, contextlib.closing(Trials(Path(place))) as trials:
        for framework, module in HONEST.items():
            own = [name for name in names if known[name].framework == framework]
            found: dict[str, dict[str, Any]] = {}
            for count, name in enumerate([*own, ""] if own else []):
                if count % HONEST_EVERY == 0 or not name:
                    _add_sound(honest.setdefault(framework, []), trials.of(module, framework))
                if name:
                    found[name] = trials.of(name, framework)
                    print(name, found[name], file=sys.stderr, flush=True)
            rows += [row(name, known[name].by, found[name], _quickest(honest[framework])) for name in own]
        return sorted(rows, key=lambda each: str(each["cheat"])), conditions(honest, trials.loads)


def _add_sound(honest: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """Keep an honest trial whose time counts. Another one is said; if it is the first, nothing can be compared."""
    if found["sec"] is not None and not found["why"]:
        honest.append(found)
        return
    problem = f"An honest trial has no time to target that counts: {found}."
    if not honest:
        sys.exit(f"{problem} Is the machine busy? If it is not, it needs more steps (STEPS).")
    print(problem, file=sys.stderr, flush=True)


def _quickest(honest: Sequence[Mapping[str, Any]]) -> float:
    return float(min(each["sec"] for each in honest))


def conditions(honest: Mapping[str, Sequence[Mapping[str, Any]]], loads: Sequence[float]) -> str:
    """When and how it was measured, in sentences."""
    texts = []
    for framework, found in honest.items():
        times = sorted(each["sec"] for each in found)
        steps = ", ".join(str(step) for step in sorted({each["step"] for each in found}))
        listed = ", ".join(f"{sec:.1f}" for sec in times)
        texts.append(f"{framework}: {listed} s (median {statistics.median(times):.1f}) to step {steps}")
    where = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {min(loads):.0f} to {max(loads):.0f}"
    return f"Measured on {where}. Honest trials in {'; in '.join(texts)}."


def with_table(page: str, sentences: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page with another measurement; its prose stays. ValueError if it has no place for one."""
    text = f"{textwrap.fill(sentences, _WIDTH)}\n\n{common.markdown([dict(each) for each in rows])}\n"
    changed, count = _MEASURED.subn(lambda _: text, page)
    if count != 1:
        raise ValueError(f"{PAGE} has {count} paragraphs that begin with 'Measured on' before a table, not one.")
    return changed


def main() -> None:
    """Print the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--only", nargs="*", metavar="CHEAT", help="names of cheats")
    parser.add_argument("--install", action="store_true", help="put the table of all cheats into docs/cheats.md")
    arguments = parser.parse_args()
    if arguments.install and arguments.only:
        parser.error("--install needs the table of all cheats: leave --only out")
    names = [name for name in table() if name not in LEFT_OUT]
    for name in arguments.only or ():
        if name not in names:
            raise unknown("cheat", name, names)
    common.prepare("digits")
    rows, title = measured(arguments.only or names)
    common.report(title, rows, arguments.json)
    if arguments.install:
        write_file(PAGE, with_table(PAGE.read_text(), title, rows).encode())


if __name__ == "__main__":
    main()
