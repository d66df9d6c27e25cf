"""The authors' description of a submission: `submission_info.yml`. FIELDS is its schema; see docs/submitting.md."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.errors import UserError, did_you_mean_path
from algoperf.readers.text_file import UnreadableFile
from algoperf_scoring.findings import Finding, printable
from algoperf_scoring.sources import Source

SUBMISSION_INFO_FILE = "submission_info.yml"


@dataclass(frozen=True)
class Field:
    """One field of a submission_info.yml.

    Attributes:
      name: its key.
      required: whether a pull request without it is rejected.
      what: its meaning.
      allowed: its values, compared case-insensitively; () for any text.
    """

    name: str
    required: bool
    what: str
    allowed: tuple[str, ...] = ()


FIELDS = (
    Field("submission_name", True, "title on the leaderboard; may differ from the folder's name"),
    Field("submission_folder", True, "folder, from the root of the repository"),
    Field("authors", True, "names, as text or as a list"),
    Field("affiliations", False, "of the authors, in the same order"),
    Field("version", False, "the submission's own version"),
    Field("ruleset", True, "the tuning ruleset", ("external", "self-tuning")),
    Field("framework", False, "what it is written in", ("JAX", "PyTorch")),
    Field("description", False, "the algorithm in a sentence"),
    Field("code", False, "web address of the code, http or https"),
    Field("paper", False, "web address of the paper, http or https"),
    Field("link", False, "another web address, such as a project's page, http or https"),
    Field("license", False, "if neither a file LICENSE nor a header names it", ("Apache-2.0",)),
)


@dataclass(frozen=True)
class SubmissionInfo:
    """The fields of submission_info.yml that a leaderboard shows, as plain text; "" if missing.

    Attributes:
      name: the submission's title, which may differ from its folder's name.
      authors, affiliations: as they should be shown.
      framework: "JAX" or "PyTorch".
      description: of the algorithm.
      code, paper, link: web addresses; only http and https are kept.
    """

    name: str = ""
    authors: str = ""
    affiliations: str = ""
    framework: str = ""
    description: str = ""
    code: str = ""
    paper: str = ""
    link: str = ""

    @property
    def links(self) -> dict[str, str]:
        """The addresses that were given, by what they lead to."""
        return {name: address for name in ("code", "paper", "link") if (address := getattr(self, name))}


def read_submission_info(file: Path) -> SubmissionInfo:
    """The content of a submission_info.yml. Raises ValueError with the reason if it is damaged."""
    content = _content(file)
    return SubmissionInfo(
        name=_text(content, "submission_name"),
        authors=_text(content, "authors"),
        affiliations=_text(content, "affiliations"),
        framework=_text(content, "framework"),
        description=_text(content, "description"),
        code=_address(content, "code"),
        paper=_address(content, "paper"),
        link=_address(content, "link"),
    )


def mistakes(file: Path) -> list[str]:
    """Unknown fields and invalid values, according to the schema. ValueError if the file is damaged."""
    content, known, found = _content(file), {field.name: field for field in FIELDS}, []
    for name in map(str, content):
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            found.append(f"has the unknown field {name!r}.{hint} Allowed: {', '.join(known)}")
    for field in FIELDS:
        value = _text(content, field.name)
        if value and field.allowed and value.lower() not in map(str.lower, field.allowed):
            found.append(f"says {field.name}: {value}. Allowed: {', '.join(field.allowed)}")
    return found


def _content(file: Path) -> dict[str, Any]:
    from algoperf.readers.yaml_text import read_yaml  # importing yaml takes as long as reading hundreds of runs

    try:
        content = read_yaml(file)
    except UnreadableFile as error:
        line = "" if error.line is None else f"line {error.line}: "
        raise ValueError(f"cannot be read: {line}{error.what}") from error
    if not isinstance(content, dict):
        raise ValueError("is not a table of fields")
    return content


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if isinstance(value, list):
        return ", ".join(str(item).strip() for item in value)
    return " ".join(str(value).split()) if isinstance(value, str) else ""


def _address(content: Mapping[str, Any], key: str) -> str:
    text = _text(content, key)
    return text if text.startswith(("https://", "http://")) else ""


def read_infos(
    submissions: Iterable[str], sources: Sequence[Source], folders: Sequence[Path]
) -> tuple[dict[str, SubmissionInfo], list[Finding]]:
    """The authors' descriptions of `submissions`, by name, and the damaged files.

    The file is with the submission's runs, else in a folder of that name below one of `folders`. Of several, the first
    by path is used. Raises UserError if one of `folders` is not there.
    """
    known = {file.parent.name: file for file in reversed([*_below(folders)])}
    infos, findings = {}, []
    for name in submissions:
        beside = (source.root / name / SUBMISSION_INFO_FILE for source in sources if source.takes(name))
        file = next((file for file in beside if file.is_file()), known.get(name))
        if file is None:
            continue
        try:
            infos[name] = read_submission_info(file)
            findings += [Finding(printable(file), mistake) for mistake in mistakes(file)]
        except ValueError as error:
            findings.append(Finding(printable(file), str(error)))
    return infos, findings


def _below(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder.{did_you_mean_path(folder)} Give one that holds submissions.")
        yield from sorted(folder.rglob(SUBMISSION_INFO_FILE))
