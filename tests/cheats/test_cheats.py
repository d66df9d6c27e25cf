"""Every known cheat is caught by what the table says. A new cheat is a folder and a row of the table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf.versions import load_version
from algoperf_check import probe, static
from algoperf_check.request import CheckRequest
from places import SUPPORT

HERE = Path(__file__).parent
ROWS = re.findall(r"^\| (\w+) \| ([\w-]+) \| (.+) \| (.+) \|$", (HERE / "README.md").read_text(), re.MULTILINE)
TABLE = {name: (by, sign) for name, by, sign, _ in ROWS}
READ = {name: set() if rules == "nothing" else set(rules.split(", ")) for name, *_, rules in ROWS}
AT_RUN_TIME = [name for name, (by, _) in TABLE.items() if by in ("harness", "re-evaluation")]
TRIED_ON = ["clicks"]  # one tiny workload is enough to show itself


def caught_by(*kinds: str):
    return pytest.mark.parametrize("name", [name for name, (by, _) in TABLE.items() if by in kinds])


@dataclass
class Attempt:
    code: int
    output: str
    folder: Path

    @property
    def status(self) -> dict:
        return read_status(self.folder) or {}


@pytest.fixture(scope="module")
def attempts(tmp_path_factory, data_root) -> dict[str, Attempt]:
    """One short trial of every cheat that has to run, and of the submission that they were made from."""
    runs = tmp_path_factory.mktemp("cheats")

    def command(name: str) -> list[str]:
        submission = HERE / ("honest.py" if name == "honest" else name)
        options = {
            "workload": "digits", "framework": "pytorch", "submission": submission, "ruleset": "self",
            "data-dir": data_root, "output-dir": runs, "max-global-steps": 6, "eval-every-steps": 3, "num-processes": 1,
        }  # fmt: skip
        return ["train", *(word for option, value in options.items() for word in (f"--{option}", str(value)))]

    names = ["honest", *AT_RUN_TIME]
    (runs / "commands.json").write_text(json.dumps([[command(name), str(runs / f"{name}.txt")] for name in names]))
    script = SUPPORT / "cheat_trials.py"
    done = subprocess.run(
        [sys.executable, str(script), str(runs / "commands.json")], capture_output=True, text=True, check=True
    )
    return {
        name: Attempt(code, (runs / f"{name}.txt").read_text(), trial_dir(runs, name, 1, "digits", "pytorch", 1))
        for name, code in zip(names, json.loads(done.stdout), strict=True)
    }


def request_for(submission: Path) -> CheckRequest:
    return CheckRequest(submission=submission, framework="pytorch", ruleset="self", version=load_version())


def test_the_table_has_every_cheat():
    folders = {path.parent.name for path in HERE.glob("*/submission.py")}
    assert set(TABLE) == folders
    assert len(folders) >= 12


def test_an_honest_submission_is_caught_by_nothing(attempts):
    honest = attempts["honest"]
    assert (honest.code, honest.status["status"]) == (0, "max_steps_reached"), honest.output
    assert probe.run(request_for(HERE / "honest.py"), TRIED_ON) == []


@caught_by("harness")
def test_the_harness_ends_the_trial(attempts, name):
    attempt = attempts[name]
    status, _, message = TABLE[name][1].partition(": ")
    assert attempt.status.get("status") == status, attempt.output
    assert message in attempt.status["message"]
    assert attempt.code == {"rule_breach": 9, "submission_error": 3}[status]


@caught_by("re-evaluation")
def test_evaluating_again_finds_the_difference(attempts, data_root, name, capsys):
    from algoperf.cli import main

    attempt = attempts[name]
    assert (attempt.code, attempt.status["status"]) == (0, "max_steps_reached"), attempt.output
    submission = attempt.folder.parents[2]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--workload", "digits", "--data-dir", str(data_root), "--output-dir", str(submission)])
    assert end.value.code == 6
    assert TABLE[name][1] in capsys.readouterr().err


@pytest.mark.parametrize("name", READ)
def test_reading_the_code_names(name):
    found = {finding.rule.number for finding in static.run(request_for(HERE / name)) if finding.rule.level == "error"}
    assert found == READ[name]


@caught_by("probe")
def test_trying_it_shows(name):
    limit_sec = 20.0 if name == "endless" else probe.LIMIT_SEC
    found = probe.run(request_for(HERE / name), TRIED_ON, limit_sec)
    assert {finding.rule.number for finding in found} == {TABLE[name][1]}, found


def test_a_breach_is_final(attempts, data_root):
    """The same command does not try again, and says so by its exit code."""
    attempt = attempts["environment"]
    again = [sys.executable, "-m", "algoperf", "train", "--workload", "digits", "--framework", "pytorch"]
    options = ["--ruleset", "self", "--max-global-steps", "6", "--eval-every-steps", "3", "--num-processes", "1"]
    places = ["--data-dir", str(data_root), "--output-dir", str(attempt.folder.parents[3])]
    command = [*again, *options, *places, "--submission", str(HERE / "environment")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9
    assert "already finished" in done.stdout
    assert len([line for line in done.stdout.splitlines() if "rule_breach" in line]) == 1
