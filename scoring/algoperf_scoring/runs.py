"""Finds trials below a folder: <submission>/study_<k>/<workload>_<framework>/trial_<j>/.

It never raises because of what it finds: folders that are not runs are noted, damaged ones are reported, and other
trials are not affected. The result does not depend on the listing order of the file system.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.layout import is_record
from algoperf.submission.naming import REPORT_FOLDER, name_flaw
from algoperf_scoring.facts import Facts, read_facts
from algoperf_scoring.findings import Findings
from algoperf_scoring.sources import Source

_STUDY = re.compile(r"study_(0|[1-9]\d*)")
_TRIAL = re.compile(r"trial_(0|[1-9]\d*)")
_STAMP = r"-(?P<stamp>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)"
_WORKLOAD = re.compile(rf"(?P<workload>\w+)_(?P<framework>jax|pytorch)(?:{_STAMP})?", re.ASCII)


@dataclass(frozen=True)
class RecordedTrial:
    """One trial: its folder, and the facts in its path and files.

    `stamp` is the time in the name of the workload's folder, or ""; stamps sort by time.
    """

    folder: Path
    submission: str
    study: int
    workload: str
    framework: str
    stamp: str
    number: int
    facts: Facts

    @property
    def place(self) -> tuple[str, str, str, int, int]:
        """The identity of the trial: submission, workload, framework, study, number."""
        return (self.submission, self.workload, self.framework, self.study, self.number)


def find_trials(sources: Iterable[Source], workloads: Collection[str], findings: Findings) -> list[RecordedTrial]:
    """All trials of the given workloads in `sources`, ordered by `place`.

    A rerun of a trial with a later time stamp replaces the earlier one.
    """
    latest: dict[tuple[str, str, str, int, int], RecordedTrial] = {}
    found = [trial for source in sources for trial in _walk(source, workloads, findings)]
    for trial in sorted(found, key=lambda trial: (trial.place, trial.stamp)):
        if trial.place in latest:
            findings.note(latest[trial.place].folder, f"replaced by the later run {trial.folder.parent.name}")
        latest[trial.place] = trial
    return list(latest.values())


def _walk(source: Source, workloads: Collection[str], findings: Findings) -> Iterator[RecordedTrial]:
    for submission in _submissions(source, findings):
        for study, study_folder in _numbered(submission, _STUDY, findings):
            for match, workload_folder in _workload_folders(study_folder, workloads, findings):
                for number, folder in _numbered(workload_folder, _TRIAL, findings):
                    facts = _facts(folder, findings) if _has_records(folder, findings) else None
                    if facts is not None:
                        stamp = match["stamp"] or ""
                        yield RecordedTrial(
                            folder,
                            submission.name,
                            study,
                            match["workload"],
                            match["framework"],
                            stamp,
                            number,
                            facts,
                        )


def _submissions(source: Source, findings: Findings) -> Iterator[Path]:
    for folder in _all_folders(source.root, findings):
        if not source.takes(folder.name):
            continue
        flaw = name_flaw(folder.name)
        has_studies = any(_STUDY.fullmatch(path.name) for path in _folders(folder, findings))
        if has_studies and not flaw:
            yield folder
        elif has_studies:
            findings.note(folder, f"left out: {flaw}")
        elif not flaw and not folder.name.startswith(REPORT_FOLDER):
            findings.note(folder, "ignored: no folder study_<number> in it")


def _has_records(folder: Path, findings: Findings) -> bool:
    """Whether a run left anything. A command that failed before it started may have left an empty folder or a lock."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        findings.problem(folder, f"cannot be listed: {error.strerror}")
        return False
    found = any(map(is_record, names))
    if not found:
        findings.note(folder, "left out: there is no record of a run in it")
    return found


def _folders(folder: Path, findings: Findings) -> list[Path]:
    """Subfolders that are not hidden, sorted by name."""
    return [path for path in _all_folders(folder, findings) if not path.name.startswith(".")]


def _all_folders(folder: Path, findings: Findings) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        findings.problem(folder, f"cannot be listed: {error.strerror}")
        return []


def _numbered(folder: Path, pattern: re.Pattern[str], findings: Findings) -> Iterator[tuple[int, Path]]:
    for path in _folders(folder, findings):
        match = pattern.fullmatch(path.name)
        if match:
            yield int(match[1]), path
        else:
            findings.note(path, f"ignored: expected a folder {pattern.pattern.partition('_')[0]}_<number>")


def _workload_folders(
    study: Path, workloads: Collection[str], findings: Findings
) -> Iterator[tuple[re.Match[str], Path]]:
    for path in _folders(study, findings):
        match = _WORKLOAD.fullmatch(path.name)
        if match is None:
            findings.note(path, "ignored: expected a folder <workload>_jax or <workload>_pytorch")
        elif match["workload"] not in workloads:
            findings.note(path, f"ignored: no workload {match['workload']!r} in this version")
        else:
            yield match, path


def _facts(folder: Path, findings: Findings) -> Facts | None:
    try:
        return read_facts(folder)
    except ValueError as error:
        findings.problem(folder, f"trial ignored: {error}")
        return None
