"""Section 10: compares `requirements.txt` with the pins, and imports with both."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from algoperf.submission.imports import module_parts
from algoperf.submission.missing_package import REQUIREMENTS_FILE, own_module
from algoperf.text import counted
from algoperf_check.findings import Finding
from algoperf_check.rules import RULES
from algoperf_check.static.analysis import Analysis
from algoperf_check.static.packages import harness_packages, packages_by_import, pins
from algoperf_check.static.uses import is_forbidden

_ADDRESS = re.compile(r"(git|hg|svn|bzr)\+|https?://|file:|\.{0,2}/")
_CONDA = re.compile(r"[\w.-]+=[^=\s]+=\S+")
_COMMENT = re.compile(r"(?:^|\s)(#.*)$")
_INCLUDED = ("algorithmic_efficiency", "algoperf")


@dataclass(frozen=True)
class _Line:
    number: int
    text: str
    has_comment: bool


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of the section."""
    file = analysis.request.folder / REQUIREMENTS_FILE
    provided: set[str] = set()
    if file.is_file():
        try:
            lines = list(_lines(file))
        except UnicodeDecodeError as error:
            yield Finding(RULES["10.1"], f"The file is not UTF-8 text: {error}.", file.name)
            lines = []
        conda = [line for line in lines if _CONDA.fullmatch(line.text)]
        if conda:
            what = (
                f"{counted(len(conda), 'line looks', 'lines look')} like a list made by conda, such as "
                f"{conda[0].text!r}."
            )
            yield Finding(RULES["10.1"], what, file.name, conda[0].number)
        for line in lines:
            if line in conda:
                continue
            requirement = _parsed(line.text)
            yield from _line(line, requirement)
            if requirement is not None:
                provided.add(canonicalize_name(requirement.name))
    yield from _imports(analysis, provided)


def _lines(file: Path) -> Iterator[_Line]:
    """Lines joined as by pip, without comments. A comment above a line belongs to it."""
    text, start, above = "", 1, False
    for number, raw in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        start = start if text else number
        if raw.endswith("\\"):
            text += raw[:-1]
            continue
        whole = text + raw
        comment = _COMMENT.search(whole)
        code, said = (whole[: comment.start()], comment[1]) if comment else (whole, "")
        text = ""
        if code.strip():
            yield _Line(start, code.strip(), bool(said.strip(" #")) or above)
            above = False
        else:
            above = bool(said.strip(" #"))


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(re.sub(r"\s--\S+", "", text))
    except InvalidRequirement:
        return None


def _line(line: _Line, requirement: Requirement | None) -> Iterator[Finding]:
    def found(rule: str, what: str) -> Finding:
        return Finding(RULES[rule], what, REQUIREMENTS_FILE, line.number)

    editable = re.match(r"(-e|--editable)[ =]\s*", line.text)
    rest = line.text[editable.end() :] if editable else line.text
    if editable or _ADDRESS.match(rest) or (requirement is not None and requirement.url):
        yield found("10.3", f"{line.text!r} is not from a package index.")
    elif line.text.startswith("-"):
        yield found("10.7", f"{line.text!r} is an option.")
        return
    elif requirement is None:
        yield found("10.1", f"{line.text!r} is not a requirement.")
        return
    else:
        yield from (found(*finding) for finding in _version(requirement))
    if not line.has_comment:
        yield found("10.4", f"Nothing says what {line.text!r} is for.")


def _version(requirement: Requirement) -> Iterator[tuple[str, str]]:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    pinned = pins().get(canonicalize_name(requirement.name))
    if pinned is None:
        if not any(specifier.operator in ("==", "===") for specifier in requirement.specifier):
            yield "10.5", f"'{requirement}' may mean another version tomorrow."
    elif not requirement.specifier.contains(pinned, prereleases=True):
        yield "10.2", f"'{requirement}' does not allow {requirement.name} {pinned}, which official runs have."


def _imports(analysis: Analysis, provided: set[str]) -> Iterator[Finding]:
    """Imports of packages that neither the harness nor the requirements provide."""
    reported = set()
    for node in analysis.project.nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.ImportFrom) and node.level:
            continue
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]  # type: ignore[attr-defined]
        for name in names:
            package = name.partition(".")[0]
            if package in reported or _is_provided(analysis, node, name, provided) or _may_fail(analysis, node):
                continue
            reported.add(package)
            own = own_module(analysis.request.folder, package)
            if own is not None:
                what = f"{own} cannot be imported as {package!r}: write {'.'.join(module_parts(own))!r}."
                yield analysis.finding("10.10", node, what)
            else:
                yield analysis.finding("10.6", node, _missing(analysis, package))


def _missing(analysis: Analysis, package: str) -> str:
    """Why a package cannot be imported."""
    for place in analysis.request.folder.parents:
        if (place / package).is_dir() or (place / f"{package}.py").is_file():
            return f"{package!r} lies outside the folder, so it is not part of the submission."
    return f"Nothing provides {package!r}."


def _is_provided(analysis: Analysis, node: ast.AST, name: str, provided: set[str]) -> bool:
    package = name.partition(".")[0]
    if package in sys.stdlib_module_names or package in _INCLUDED or is_forbidden(name):
        return True
    if analysis.project.local(name, 0, analysis.project.home(node)) is not None:
        return True
    place = analysis.request.folder / package
    if place.is_dir() or place.with_suffix(".py").is_file() or package == analysis.request.folder.name:
        return True
    if own_module(analysis.request.folder, package) is not None and _extends_path(analysis):
        return True
    sources = packages_by_import().get(package, frozenset()) | {canonicalize_name(package)}
    return bool(sources & (provided | harness_packages() | set(pins())))


def _extends_path(analysis: Analysis) -> bool:
    """Whether the code changes where imports are looked for."""
    return any(analysis.names(node) == "sys.path" for node in analysis.project.nodes(ast.Attribute, ast.Name))


def _may_fail(analysis: Analysis, node: ast.AST) -> bool:
    """Whether an import is inside a `try`, so that the code can do without it."""
    return any(isinstance(part, ast.Try) for part in analysis.project.enclosing(node))
