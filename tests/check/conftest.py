"""Submissions on disk, and what the static check finds in them."""

from __future__ import annotations

import pytest

from algoperf.versions import load_version
from algoperf_check import static
from algoperf_check.request import CheckRequest, infer_ruleset
from check_snippets import HEADER, INFO


@pytest.fixture
def write(tmp_path):
    """Write the files of a submission, by name, beside what a faultless one has; return its folder."""

    def written(files: dict[str, str | bytes], place: str = "mine"):
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in {"submission_info.yml": INFO, "submission.py": "", **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (folder / name).write_bytes(content)
            else:
                header = HEADER if name == "submission.py" and "SPDX" not in content else ""
                (folder / name).write_text(header + content)
        return folder

    return written


@pytest.fixture
def check():
    """The findings of the static check."""

    def findings(folder, ruleset=None, framework="pytorch", version="v0.6"):
        request = CheckRequest(
            submission=folder,
            framework=framework,
            ruleset=ruleset or infer_ruleset(folder / "submission.py"),
            version=load_version(version),
        )
        return static.run(request)

    return findings


@pytest.fixture
def rules(write, check):
    """The numbers of the rules that a submission breaks, given its code or its files."""

    def numbers(code: str | dict[str, str | bytes], **given):
        files = {"submission.py": code} if isinstance(code, str) else code
        return {finding.rule.number for finding in check(write(files), **given)}

    return numbers
