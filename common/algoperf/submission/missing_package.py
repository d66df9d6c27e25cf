"""Advice about a missing package, from the submission's requirements.txt."""

from __future__ import annotations

import codecs
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS_FILE = "requirements.txt"
CONSTRAINTS = Path(__file__).resolve().parents[3] / "constraints.txt"
REFERENCE_PACKAGES = CONSTRAINTS.parent / "ci" / "reference_packages.txt"
OF_THE_REFERENCE = ("absl", "chex", "jraph", "ml_collections")
"""Names by which published submissions import the packages in `REFERENCE_PACKAGES`, though they do not name them."""
_LINE = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*([=<>!~@;#].*)?")


@dataclass(frozen=True)
class Requirement:
    """One line: its number, its text without comment, and the package's name in normal form."""

    number: int
    text: str
    package: str


def read_requirements(file: Path) -> tuple[list[Requirement], list[int]]:
    """The requirements in a file, and the numbers of lines that pip cannot read (of a conda environment, say)."""
    requirements, unreadable = [], []
    content = file.read_bytes()
    encoding = (
        "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    )  # as pip does
    for number, line in enumerate(content.decode(encoding, errors="replace").splitlines(), start=1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#") or re.match(r"-\S", text):  # options of pip
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            unreadable.append(number)
        else:
            requirements.append(Requirement(number, text, _normal(found[1])))
    return requirements, unreadable


def own_module(folder: Path, name: str) -> Path | None:
    """The file or package of that name below a submission's folder, relative to it; None if there is none."""
    files = (path for pattern in (f"{name}.py", f"{name}/__init__.py") for path in sorted(folder.rglob(pattern)))
    folders = (path for path in sorted(folder.rglob(name)) if any(path.glob("*.py")))
    return next((path.relative_to(folder) for path in (*files, *folders)), None)


def explain_own_module(place: Path, name: str) -> str:
    """Advice about an import that looks for a module of the submission in the wrong place."""
    parts = place.with_suffix("").parts
    full = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return (
        f"Its own module {place} cannot be imported as {name!r}: modules are found from the submission's folder on. "
        f"Write {full!r}, or a relative import."
    )


def explain_missing(package: str, folder: Path) -> str:
    """Advice for a submission in `folder` that cannot import a package."""
    return f"The package {package!r} is not installed. {' '.join(_advice(package, folder / REQUIREMENTS_FILE))}"


def _advice(package: str, file: Path) -> Iterator[str]:
    if not file.is_file():
        yield f"The submission has no {REQUIREMENTS_FILE}."
        yield from _how_to_name(package)
        return
    requirements, unreadable = read_requirements(file)
    missing = [each for each in requirements if not _is_installed(each.package)]
    named = [each for each in missing if each.package == _normal(package)] or missing
    if named:
        lines = ", ".join(f"line {each.number} of {file.name}: {each.text}" for each in named)
        yield f"Not installed are: {lines}. Install them with:\n  {install_command(file)}"
    else:
        yield f"{file} does not name it."
        yield from _how_to_name(package)
    if unreadable:
        numbers = ", ".join(map(str, unreadable))
        yield f"Lines that pip cannot read: {numbers}. One requirement per line: name==version."


def _how_to_name(package: str) -> Iterator[str]:
    if package in OF_THE_REFERENCE and REFERENCE_PACKAGES.is_file():
        yield "Published submissions find it in the reference's environment. Install what that has and ours lacks:\n "
        yield install_command(REFERENCE_PACKAGES)
        return
    yield f"Name it there, as a line like `{package}==1.2.3  # what for`; then install it."
    yield "docs/submitting.md says how, also in containers."


def install_command(file: Path) -> str:
    """The command that installs a submission's packages without changing the benchmark's own."""
    pins = ["--constraint", str(CONSTRAINTS)] if CONSTRAINTS.is_file() else []
    return shlex.join([sys.executable, "-m", "pip", "install", "--requirement", str(file), *pins])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_installed(package: str) -> bool:
    import importlib.metadata  # rarely needed, and it takes a while

    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
