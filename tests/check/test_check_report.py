"""The text of `algoperf check`: the same error on several workloads is one error, and tracebacks can be read."""

from __future__ import annotations

import re

from algoperf.versions import load_version
from algoperf_check.findings import Finding
from algoperf_check.report import Report
from algoperf_check.request import CheckRequest
from algoperf_check.rules import RULES
from places import BASELINES

TRACEBACK = """update_params failed at step 0.
Traceback:
  File "submission.py", line 3, in update_params
    raise ValueError("no such thing")
ValueError: no such thing"""


def report(*findings: Finding) -> Report:
    request = CheckRequest(submission=BASELINES / "nadamw_jax", framework="jax", ruleset="self", version=load_version())
    return Report(request, static_only=False, findings=findings)


def on(*workloads: str, what: str = TRACEBACK) -> list[Finding]:
    return [Finding(RULES["13.5"], what, on=(workload,)) for workload in workloads]


def test_the_same_error_on_many_workloads_is_one():
    found = report(*on("wmt", "cifar", "ogbg", "mnist", "digits"), *on("fastmri", what="not finite"))
    lines = str(found).splitlines()
    assert lines[1:7] == [
        "  On fastmri: not finite",
        "  On cifar, digits, mnist and 2 more: update_params failed at step 0.",
        "    Traceback:",
        '      File "submission.py", line 3, in update_params',
        '        raise ValueError("no such thing")',
        "    ValueError: no such thing",
    ]
    assert lines[-1].endswith("2 errors, no warnings.")
    assert [finding.as_json()["on"] for finding in found.findings] == [
        ["fastmri"],
        ["cifar", "digits", "mnist", "ogbg", "wmt"],
    ]


def test_up_to_three_workloads_are_all_named():
    assert "On cifar, mnist, ogbg: update" in str(report(*on("ogbg", "cifar", "mnist")))


def test_long_lines_are_wrapped_and_go_on_further_in():
    first, second = str(report(*on("cifar", what="word " * 30))).splitlines()[1:3]
    assert first.startswith("  On cifar: word word")
    assert len(first) <= 110
    assert second.startswith("    word")


def test_every_remedy_begins_with_what_to_do():
    """A reader can carry it out: it is not a fact, or a wish of ours."""
    verbs = re.compile(
        "(Add|Call|Change|Complete|Compute|Copy|Correct|Decide|Define|Depend|Draw|Fix|Give|Handle|Import|Initialise|Keep"
        "|Let|Look|Name|Pin|Put|Raise|Read|Remove|Replace|Return|Run|Say|Take|Treat|Try|Use|Write) "
    )
    assert [rule.number for rule in RULES.values() if not verbs.match(rule.remedy)] == []
