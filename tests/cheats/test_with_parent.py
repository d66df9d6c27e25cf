"""Cheats against the parent of a trial and the process that evaluates: what the table says of them.

Their trials have a parent, and evaluations apart; all are forks of one process, which saves importing PyTorch.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from algoperf.records.allowance import charges
from algoperf.records.layout import STATUS_FILE, trial_dir
from algoperf.records.status import read_status
from algoperf.system import clean_python
from algoperf.versions import load_version
from algoperf_scoring.facts import read_facts
from algoperf_scoring.health import check_runs
from cheat_table import CHEATS, table
from places import SUPPORT, TEST_SUBMISSIONS
from trial_runs import PATIENCE_SEC

TABLE = table()
STEPS = {"max-global-steps": 12, "eval-every-steps": 4}
CODES = {"interrupted": 1, "evaluation_error": 7, "running": -9}
HONEST = {"honest": CHEATS / "honest.py", "busy": TEST_SUBMISSIONS / "busy"}
SLOW = pytest.mark.full  # they wait for seconds


def caught_by(kind: str, *marks: pytest.MarkDecorator):
    names = [pytest.param(name, marks=marks) for name, cheat in TABLE.items() if cheat.by == kind]
    return pytest.mark.parametrize("name", names)


@dataclass
class Attempt:
    code: int
    output: str
    runs: Path
    folder: Path
    started_in: Path

    @property
    def account(self) -> dict:
        return json.loads((self.folder / "referee.json").read_text())


@pytest.fixture(scope="module")
def attempt(tmp_path_factory, data_root) -> Iterator[Callable[[str], Attempt]]:
    """One short trial of a cheat. It may change its data, which are its own."""
    base = tmp_path_factory.mktemp("with_parent")
    started_in, data = base / "here", base / "data"
    started_in.mkdir()
    shutil.copytree(data_root / "digits", data / "digits")

    @functools.cache
    def made(name: str) -> Attempt:
        submission, runs = HONEST.get(name, CHEATS / name), base / name
        framework = TABLE[name].framework if name in TABLE else "pytorch"
        options = {
            "workload": "digits", "framework": framework, "submission": submission, "ruleset": "self", "data-dir": data,
            "output-dir": runs, "num-processes": 1, "evaluation": "apart", **STEPS,
        }  # fmt: skip
        arguments = ["train", *(word for option, value in options.items() for word in (f"--{option}", str(value)))]
        log = base / f"{name}.txt"
        print(json.dumps([arguments, str(log), True]), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return Attempt(code, log.read_text(), runs, trial_dir(runs, name, 1, "digits", framework, 1), started_in)

    script = [sys.executable, str(SUPPORT / "cheat_trials.py")]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=started_in) as server:
        yield made


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_submission_is_caught_by_nothing(attempt, name):
    honest = attempt(name)
    assert (honest.code, honest.account["problems"]) == (0, []), honest.output
    assert "charged_sec" not in honest.account


@caught_by("referee")
def test_its_parent_names_it(attempt, name):
    found = attempt(name)
    check = next(check for check in check_runs(found.runs, load_version()).checks if check.id == "referee")
    assert check.counts["fail"] == 1, found.output
    assert TABLE[name].sign in " ".join(outcome.evidence for outcome in check.outcomes)


@caught_by("ended")
def test_its_trial_ends_without_a_result(attempt, name):
    found = attempt(name)
    status, _, message = TABLE[name].sign.partition(": ")
    content = read_status(found.folder) or {}
    assert (content["status"], found.code) == (status, CODES[status]), found.output
    assert message in content["message"]
    facts = read_facts(found.folder)
    assert facts.is_unfinished or facts.finished is False
    assert not content["target_reached_at"]


@caught_by("nothing gained")
def test_it_changes_nothing(attempt, name):
    found = attempt(name)
    assert (found.code, (read_status(found.folder) or {})["status"]) == (0, TABLE[name].sign), found.output
    assert found.account["problems"] == []
    assert len(found.account["evaluations"]) == STEPS["max-global-steps"] / STEPS["eval-every-steps"]
    assert not (found.started_in / "planted").exists()


@caught_by("charged", SLOW)
def test_the_hidden_seconds_are_charged(attempt, name):
    found = attempt(name)
    assert found.code == 0, found.output
    status = read_status(found.folder) or {}
    status["machine"]["shared"] = False  # as tests do, but a trial beside others would not be charged
    (found.folder / STATUS_FILE).write_text(json.dumps(status))
    assert max(charges(found.folder).values(), default=0.0) > float(TABLE[name].sign.removesuffix(" s"))


def test_a_killed_parent_takes_its_trial_along(attempt):
    """Nothing goes on without a clock."""
    found = attempt("killed_parent")
    orphans = [
        each
        for each in psutil.process_iter(["cwd", "ppid"])
        if each.info["cwd"] == str(found.started_in) and each.info["ppid"] != os.getpid()
    ]
    _, alive = psutil.wait_procs(orphans, timeout=PATIENCE_SEC)
    assert not alive


def test_the_process_that_evaluates_imports_nothing_from_where_it_is_started(tmp_path):
    for name in ("psutil", "numpy", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open('imported_{name}', 'w').close()")
    command = clean_python("algoperf.trial.apart.process")
    for each, imports in ((command, False), ([word for word in command if word != "-P"], True)):
        assert subprocess.run(each, cwd=tmp_path, capture_output=True, check=False).returncode != 0  # it has no parent
        assert any(tmp_path.glob("imported_*")) == imports
