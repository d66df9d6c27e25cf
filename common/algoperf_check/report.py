"""The result of a check, as text and as JSON."""

from __future__ import annotations

import itertools
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

import click

from algoperf_check.findings import Finding, Level, folded
from algoperf_check.request import CheckRequest

_WIDTH = 110
_LONGEST_LINE = 90
_MOST_PLACES = 10
_COLOURS: dict[Level, str] = {"error": "red", "warning": "yellow"}


def in_order(number: str) -> tuple[int, ...]:
    """Sort key for rule numbers by value: 2.1 before 10.1."""
    return tuple(int(part) for part in number.split("."))


@dataclass(frozen=True)
class Report:
    """The findings for a submission.

    Attributes:
      request: what was checked.
      static_only: whether the submission was only read, not run.
      findings: errors before warnings, then by rule and position; one for all workloads on which it is the same.
    """

    request: CheckRequest
    static_only: bool
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        def key(finding: Finding) -> tuple:
            number = in_order(finding.rule.number)
            return finding.rule.level != "error", number, finding.file or "", finding.line or 0, finding.what

        object.__setattr__(self, "findings", tuple(sorted(folded(self.findings), key=key)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the check fail."""
        return tuple(finding for finding in self.findings if finding.rule.level == "error")

    @property
    def summary(self) -> str:
        """One line: number of errors and warnings, and which checks were done."""
        errors, warnings = len(self.errors), len(self.findings) - len(self.errors)
        how = "read only" if self.static_only else "read and tried"
        request = self.request
        kind = "model track" if request.track == "model" else f"ruleset {request.ruleset}"
        about = ", ".join((request.framework or "framework unknown", kind, request.version.name))
        return f"{request.name} ({about}; {how}): {_count(errors, 'error')}, {_count(warnings, 'warning')}."

    def as_text(self) -> str:
        """Human-readable: findings under their rules, with code, reason and remedy. `click.echo` strips the colours."""
        parts, folder = [], _shown_folder(self.request.folder)
        for rule, group in itertools.groupby(self.findings, key=lambda finding: finding.rule):
            name = click.style(f"{rule.level} {rule.number}", fg=_COLOURS[rule.level], bold=True)
            lines, found = [f"{name}: {rule.title}"], list(group)
            for finding in found[:_MOST_PLACES]:
                place = f"{folder}{finding.place}: " if finding.place else ""
                lines += _wrapped(f"{place}{finding.text}", "  ")
                code = self._code(finding)
                lines += [f"      {code}"] if code else []
            if len(found) > _MOST_PLACES:
                lines.append(f"  and {len(found) - _MOST_PLACES} more; --json has all of them")
            lines += [*_wrapped(f"Why: {rule.why}", "  "), *_wrapped(f"Do: {rule.remedy}", "  "), f"  See: {rule.link}"]
            parts.append("\n".join(lines))
        return "\n\n".join([*parts, self.summary])

    def __str__(self) -> str:
        return click.unstyle(self.as_text())

    def as_json(self) -> str:
        """Machine-readable: one object with the request, the counts and all findings."""
        request = self.request
        content = {
            "submission": str(request.submission),
            "name": request.name,
            "framework": request.framework,
            "ruleset": request.ruleset,
            "track": request.track,
            "version": request.version.name,
            "static_only": self.static_only,
            "errors": len(self.errors),
            "warnings": len(self.findings) - len(self.errors),
            "findings": [finding.as_json() for finding in self.findings],
        }
        return json.dumps(content, indent=2)

    def _code(self, finding: Finding) -> str | None:
        """The line of code that a finding refers to."""
        if finding.file is None or finding.line is None:
            return None
        try:
            lines = (self.request.folder / finding.file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        code = lines[finding.line - 1].strip() if 0 < finding.line <= len(lines) else ""
        return textwrap.shorten(code, _LONGEST_LINE, placeholder=" ...")


def _shown_folder(folder: Path) -> str:
    """The prefix of positions, relative to the working directory if below it: terminals and editors can open those."""
    here = Path.cwd()
    inside = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return "" if inside == Path() else f"{inside.as_posix()}/"


def _wrapped(text: str, indent: str) -> list[str]:
    """The lines of a text, wrapped, all but the first one indented further; those of a traceback keep their indents."""
    lines, deeper = [], indent
    for line in text.splitlines() or [""]:
        own = deeper + line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line.lstrip(), _WIDTH, initial_indent=own, subsequent_indent=own + "  ", break_long_words=False
        ) or [own]
        deeper = indent + "  "
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
