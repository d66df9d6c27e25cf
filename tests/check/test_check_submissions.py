"""All submissions of the repository keep the rules, but for the test submissions that break some on purpose."""

from __future__ import annotations

import pytest

from algoperf_check.static.framework import infer_framework
from places import REPOSITORY

ROOT = REPOSITORY
# Errors that test submissions have on purpose. They wait, exit and look around to test the harness.
EXPECTED = {
    "tests/support/submissions/many_faults": {"3.1"},
    "tests/support/submissions/faulty": {"7.1", "11.1", "11.2", "11.6"},
    "tests/support/submissions/many_states_jax": {"11.2"},
    "tests/support/submissions/many_states_pytorch": {"11.2"},
    "tests/containers/submissions/calls_out": {"11.1"},
    "tests/containers/submissions/dies": {"6.2", "11.6"},
    "tests/containers/submissions/writes_outside": {"1.9"},
    "tests/support/submissions/own_classes": {"6.2"},
    "tests/support/submissions/busy": {"6.1", "6.2"},
}
SHORT_LISTS = {"9.4"}  # test submissions need fewer points than a study has trials
FOLDERS = sorted(
    str(file.parent.relative_to(ROOT))
    for place in ("submissions", "tests")
    for file in (ROOT / place).rglob("submission.py")
    if "cheats" not in file.parts  # those have a table of their own
)


def test_submissions_are_found():
    assert len(FOLDERS) >= 12
    assert set(FOLDERS) >= set(EXPECTED)


@pytest.mark.parametrize("folder", FOLDERS)
def test_errors(check, folder):
    framework = infer_framework(ROOT / folder / "submission.py", required=False)
    findings = check(ROOT / folder, framework=framework)
    errors = {found.rule.number for found in findings if found.rule.level == "error"}
    errors -= SHORT_LISTS if folder.startswith("tests/") else set()
    assert errors == EXPECTED.get(folder, set()), findings


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name.startswith("submissions/")])
def test_published_ones_have_no_warnings_either(check, folder):
    framework = infer_framework(ROOT / folder / "submission.py", required=False)
    assert check(ROOT / folder, framework=framework) == []
