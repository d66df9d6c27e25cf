"""What is wrong with files of runs, in plain words: one line per submission and kind instead of one per file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from algoperf_scoring.findings import Finding

_LINES = re.compile(r"^line \d+(?: and (?P<more>\d+) more)?: ")
_STUDY = re.compile(r"/study_\d+(?:/|$)")

_PLAIN = (
    (r"is missing: the run ended before its first evaluation", "ended before the first evaluation"),
    (r"no number in column (?P<column>.+)", "evaluations without a number for {column}: they do not count"),
    (r"row ignored: it is torn.*", "the last line is incomplete: it does not count"),
    (r"row ignored: .*", "damaged lines: they do not count"),
)
"""Reasons, and what they mean to someone who has not seen the files."""


@dataclass(frozen=True)
class Problem:
    """The same problem in several files of one submission.

    Attributes:
      submission: the name of the folder of its runs; "" if the files belong to none.
      words: what is wrong.
      num_files: in how many files or folders.
      num_lines: in how many of their lines; 0 if it is not about lines.
    """

    submission: str
    words: str
    num_files: int
    num_lines: int


def in_plain_words(findings: Iterable[Finding]) -> list[Problem]:
    """The problems by submission, in the order in which they were found."""
    files: dict[tuple[str, str], int] = {}
    lines: dict[tuple[str, str], int] = {}
    for finding in findings:
        where = _LINES.match(finding.reason)
        reason = finding.reason[where.end() :] if where else finding.reason
        key = (_submission(finding.path), _plain(reason))
        files[key] = files.get(key, 0) + 1
        lines[key] = lines.get(key, 0) + (1 + int(where["more"] or 0) if where else 0)
    return [Problem(*key, files[key], lines[key]) for key in files]


def _submission(path: str) -> str:
    """The folder above that of the study, or the first one: `amos/study_0/...` is of amos."""
    above = _STUDY.split(path, maxsplit=1)[0] if _STUDY.search(path) else path.partition("/")[0]
    return above.rpartition("/")[2]


def _plain(reason: str) -> str:
    for pattern, words in _PLAIN:
        if match := re.fullmatch(pattern, reason):
            return words.format_map(_named(match.groupdict()))
    return reason


def _named(groups: Mapping[str, str]) -> dict[str, str]:
    """Column names as people say them: `validation/num_examples` is "validation num examples"."""
    return {name: text.replace("/", " ").replace("_", " ") for name, text in groups.items()}
