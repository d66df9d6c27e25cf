"""What a check finds: a rule of `docs/rules.md`, the position, what is there, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

Level = Literal["error", "warning"]
RULES_PAGE = "docs/rules.md"
_MOST_NAMED = 3


@dataclass(frozen=True)
class Rule:
    """One numbered rule that can be checked.

    Attributes:
      number: as in `docs/rules.md`, for example "1.2"; the page has an anchor `rule-1-2` for it.
      title: the rule in a few words.
      level: of a breach. An error makes the check fail; a warning asks for a human review.
      why: why the rule exists, in one sentence.
      remedy: how to fix a breach, in one sentence.
    """

    number: str
    title: str
    level: Level
    why: str
    remedy: str

    @property
    def link(self) -> str:
        """The rule's address in the documentation."""
        return f"{RULES_PAGE}#rule-{self.number.replace('.', '-')}"


@dataclass(frozen=True)
class Finding:
    """One breach of a rule.

    Attributes:
      rule: the rule.
      what: what was found, as a sentence.
      file: relative to the submission's folder; None if it concerns no particular file.
      line: counted from 1; None if it concerns no particular line.
      on: the workloads on which this was found; empty if it concerns none in particular.
    """

    rule: Rule
    what: str
    file: str | None = None
    line: int | None = None
    on: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`file:line`, `file`, or neither, as far as known."""
        return ":".join(str(part) for part in (self.file, self.line) if part is not None)

    @property
    def text(self) -> str:
        """What was found, with the first of the workloads on which it was."""
        if not self.on:
            return self.what
        more = len(self.on) - _MOST_NAMED
        named = ", ".join(self.on[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"On {named}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`: one flat object."""
        return {
            "rule": self.rule.number,
            "level": self.rule.level,
            "title": self.rule.title,
            "file": self.file,
            "line": self.line,
            "what": self.what,
            "on": list(self.on),
            "why": self.rule.why,
            "remedy": self.rule.remedy,
            "link": self.rule.link,
        }


def folded(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, but those that say the same of several workloads are one."""
    workloads: dict[Finding, set[str]] = {}
    for finding in findings:
        workloads.setdefault(replace(finding, on=()), set()).update(finding.on)
    return [replace(finding, on=tuple(sorted(on))) for finding, on in workloads.items()]
