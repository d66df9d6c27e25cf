"""Every known cheat is caught by what the table says. A new cheat is a folder and a row of the table.

Cheats that need a parent are in test_with_parent.py.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf.versions import load_version
from algoperf_check import probe, static
from algoperf_check.request import CheckRequest
from cheat_table import CHEATS, HONEST, framework_of, table
from places import SUPPORT

TABLE = table()
TRIED_ON = ["clicks"]  # one tiny workload is enough to show itself


def caught_by(*kinds: str):
    return pytest.mark.parametrize("name", [name for name, cheat in TABLE.items() if cheat.by in kinds])


@dataclass
class Attempt:
    code: int
    output: str
    folder: Path

    @property
    def status(self) -> dict:
        return read_status(self.folder) or {}


@pytest.fixture(scope="module")
def attempt(tmp_path_factory, data_root) -> Iterator[Callable[[str], Attempt]]:
    """One short trial of a cheat that has to run, or of the submission that they were made from; each is made once."""
    runs = tmp_path_factory.mktemp("cheats")

    def command(name: str) -> list[str]:
        submission = CHEATS / ("honest.py" if name == "honest" else name)
        options = {
            "workload": "digits", "framework": framework_of(name), "submission": submission, "ruleset": "self",
            "data-dir": data_root, "output-dir": runs, "max-global-steps": 6, "eval-every-steps": 3, "num-processes": 1,
        }  # fmt: skip
        return ["train", *(word for option, value in options.items() for word in (f"--{option}", str(value)))]

    @functools.cache
    def made(name: str) -> Attempt:
        log = runs / f"{name}.txt"
        print(json.dumps([command(name), str(log)]), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return Attempt(code, log.read_text(), trial_dir(runs, name, 1, "digits", framework_of(name), 1))

    script = [sys.executable, str(SUPPORT / "cheat_trials.py")]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield made


def request_for(submission: Path) -> CheckRequest:
    framework = framework_of(submission.stem)
    return CheckRequest(submission=submission, framework=framework, ruleset="self", version=load_version())


def test_the_table_has_every_cheat():
    folders = {path.parent.name for path in CHEATS.glob("*/submission.py")}
    assert set(TABLE) == folders
    assert len(folders) >= 12


def test_an_honest_submission_is_caught_by_nothing(attempt):
    honest = attempt("honest")
    assert (honest.code, honest.status["status"]) == (0, "max_steps_reached"), honest.output


@pytest.mark.parametrize("name", HONEST.values())
def test_checking_an_honest_submission_shows_nothing(name):
    request = request_for(CHEATS / f"{name}.py")
    assert [finding for finding in static.run(request) if finding.rule.level == "error"] == []
    assert probe.run(request, TRIED_ON) == []


@caught_by("harness")
def test_the_harness_ends_the_trial(attempt, name):
    found = attempt(name)
    status, _, message = TABLE[name].sign.partition(": ")
    assert found.status.get("status") == status, found.output
    assert message in found.status["message"]
    assert found.code == {"rule_breach": 9, "submission_error": 3, "interrupted": 130}[status]


def evaluated_again(found: Attempt, data_root: Path) -> int:
    """The exit code of `algoperf evaluate` on a trial that ended by the rules."""
    from algoperf.cli import main

    assert (found.code, found.status["finished"]) == (0, True), found.output
    folder = found.folder.parents[2]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--workload", "digits", "--data-dir", str(data_root), "--output-dir", str(folder)])
    return int(end.value.code or 0)


@caught_by("re-evaluation")
def test_evaluating_again_finds_the_difference(attempt, data_root, name, capsys):
    assert evaluated_again(attempt(name), data_root) == 6
    assert TABLE[name].sign in capsys.readouterr().err


@caught_by("reading")
def test_its_metrics_are_those_of_a_clean_process(attempt, data_root, name):
    assert evaluated_again(attempt(name), data_root) == 0
    assert TABLE[name].read, "and whoever reads it sees that it tries"


@pytest.mark.parametrize("name", TABLE)
def test_reading_the_code_names(name):
    found = {finding.rule.number for finding in static.run(request_for(CHEATS / name)) if finding.rule.level == "error"}
    assert found == TABLE[name].read


@caught_by("probe")
def test_trying_it_shows(name):
    limit_sec = 20.0 if name == "endless" else probe.LIMIT_SEC
    found = probe.run(request_for(CHEATS / name), TRIED_ON, limit_sec)
    assert {finding.rule.number for finding in found} == {TABLE[name].sign}, found


def test_a_breach_is_final(attempt, data_root):
    """The same command does not try again, and says so by its exit code."""
    found = attempt("network")
    again = [sys.executable, "-m", "algoperf", "train", "--workload", "digits", "--framework", "pytorch"]
    options = ["--ruleset", "self", "--max-global-steps", "6", "--eval-every-steps", "3", "--num-processes", "1"]
    places = ["--data-dir", str(data_root), "--output-dir", str(found.folder.parents[3])]
    command = [*again, *options, *places, "--submission", str(CHEATS / "network")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9
    assert "already finished" in done.stdout
    assert len([line for line in done.stdout.splitlines() if "rule_breach" in line]) == 1
