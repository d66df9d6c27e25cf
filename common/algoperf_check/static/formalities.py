"""Section 12 and rule 2.2: licence, info file, data files, copies of other submissions."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from algoperf.readers.text_file import UnreadableFile
from algoperf.submission.loading import SEARCH_SPACE_FILE, is_part
from algoperf.submission.new import texts_to_replace
from algoperf.workload.registry import REPOSITORY_CUBES
from algoperf_check.findings import Finding
from algoperf_check.request import ruleset_folder
from algoperf_check.rules import RULES
from algoperf_check.static.analysis import Analysis

INFO_FILE = "submission_info.yml"
README_FILE = "README.md"
_PLACEHOLDER = re.compile(
    r"(your|my|the) (name|names|university|affiliations?|description)|to ?do|tbd|x{2,}|\.{2,}|<.*>", re.I
)
_WANTED = ("submission_name", "authors", "framework", "description")
_LICENCE_FILES = re.compile(r"(LICEN[SC]E|COPYING)(\.\w+)?", re.IGNORECASE)
_APACHE = re.compile(r"Apache[\s-]+(License|Licence)?,?\s*-?(Version)?\s*2\.0|Apache-2\.0", re.IGNORECASE)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*(\S+)")
_LARGEST_BYTES = 1 << 20
_LOOKED_AT_BYTES = 1 << 13
_NATIVE = (".a", ".cu", ".dll", ".dylib", ".egg", ".o", ".pyc", ".pyd", ".so", ".whl")
SUBMISSIONS = REPOSITORY_CUBES.parent / "submissions"


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of these rules."""
    info, faults = _read_info(analysis.request.folder)
    yield from faults
    if info is not None:
        yield from _facts(analysis, info)
    yield from _licence(analysis, info or {})
    if analysis.request.folder != SUBMISSIONS / "template":
        yield from _left_texts(analysis.request.folder, info or {})
    if analysis.request.owns_folder:
        yield from _data_files(analysis.request.folder)
        yield from _copies(analysis.request.folder)


# --- what the authors say --------------------------------------------------------------------------------


def _read_info(folder: Path) -> tuple[dict[str, Any] | None, list[Finding]]:
    from algoperf.readers.yaml_text import read_yaml

    file = folder / INFO_FILE
    if not file.is_file():
        return None, [Finding(RULES["12.5"], f"There is no {INFO_FILE} in the folder.")]
    try:
        content = read_yaml(file)
    except UnreadableFile as error:
        return None, [Finding(RULES["12.4"], f"{error.what}.", INFO_FILE, error.line)]
    if not isinstance(content, dict):
        return None, [Finding(RULES["12.4"], "It is not a table of fields, name: value.", INFO_FILE)]
    return content, []


def _facts(analysis: Analysis, info: dict[str, Any]) -> Iterator[Finding]:
    def found(what: str) -> Finding:
        return Finding(RULES["12.5"], what, INFO_FILE)

    missing = [field for field in _WANTED if not info.get(field)]
    if missing:
        yield found(f"It does not say: {', '.join(missing)}.")
    request = analysis.request
    framework = str(info.get("framework") or "").lower()
    if framework and request.framework and framework != request.framework:
        yield found(f"It says framework: {info['framework']}; the code is written for {request.framework}.")
    ruleset = str(info.get("ruleset") or "").replace("-", "_").partition("_")[0]
    if ruleset and ruleset_folder(request.folder) not in (None, ruleset):
        yield found(f"It says ruleset: {info['ruleset']}; the folder is filed under {ruleset_folder(request.folder)}.")
    folder = str(info.get("submission_folder") or "").rstrip("/").rpartition("/")[2]
    if folder and folder != request.folder.name:
        yield found(f"It says submission_folder: {info['submission_folder']}; the folder is {request.folder.name}.")


def _left_texts(folder: Path, info: dict[str, Any]) -> Iterator[Finding]:
    """What `algoperf new` wrote for the authors to replace, and placeholders in its place."""
    templates = texts_to_replace()
    for field in ("authors", "affiliations", "description"):
        text = str(info.get(field) or "").strip()
        if text in templates[INFO_FILE] or _PLACEHOLDER.fullmatch(text):
            yield Finding(RULES["12.9"], f"It says {field}: {text}", INFO_FILE)
    readme = folder / README_FILE
    if readme.is_file():
        words = readme.read_text(encoding="utf-8", errors="replace")
        for text in templates[README_FILE]:
            if text in words:
                yield Finding(
                    RULES["12.9"], f'It says "{text}"', README_FILE, words[: words.index(text)].count("\n") + 1
                )


def _licence(analysis: Analysis, info: dict[str, Any]) -> Iterator[Finding]:
    """Check the licence. The info file counts first, then the header of the code, then the nearest licence file."""
    request = analysis.request
    said = str(info.get("license") or info.get("licence") or "")
    if said:
        if not _APACHE.search(said):
            yield Finding(RULES["12.3"], f"It says license: {said}.", INFO_FILE)
        return
    header = request.file.read_text(encoding="utf-8", errors="replace")[:2000]
    identifier = _SPDX.search(header)
    if identifier and not _APACHE.search(identifier[1]):
        line = header[: identifier.start()].count("\n") + 1
        place = request.file.relative_to(request.folder).as_posix()
        yield Finding(RULES["12.3"], f"The header says {identifier[1]}.", place, line)
        return
    if _APACHE.search(header):
        return
    for folder in _within_repository(request.folder):
        for file in sorted(path for path in folder.iterdir() if _LICENCE_FILES.fullmatch(path.name) and path.is_file()):
            if not _APACHE.search(file.read_text(encoding="utf-8", errors="replace")):
                where = file.name if folder == request.folder else None
                yield Finding(RULES["12.3"], f"{file.name} is not the Apache License 2.0.", where)
            return
    yield Finding(RULES["12.2"], "Neither a file LICENSE nor a header names the licence.")


def _within_repository(folder: Path) -> list[Path]:
    """The folder and its parents, up to the root of its repository or of its tree of submissions."""
    places = [folder, *folder.parents]
    repositories = [number for number, place in enumerate(places) if (place / ".git").exists()]
    trees = [number + 1 for number, place in enumerate(places[:-1]) if place.name == "submissions"]
    root = next(iter(repositories or trees), 0)
    return places[: root + 1]


# --- files -----------------------------------------------------------------------------------------------


def _data_files(folder: Path) -> Iterator[Finding]:
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and is_part(path, folder)):
        place, size = file.relative_to(folder).as_posix(), file.stat().st_size
        if file.suffix in _NATIVE:
            yield Finding(RULES["7.1"], f"{place} is compiled or native code.", place)
        elif size > _LARGEST_BYTES or _is_binary(file):
            yield Finding(RULES["2.2"], f"{size:,} bytes of {'data' if _is_binary(file) else 'text'}.", place)


def _is_binary(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"\0" in stream.read(_LOOKED_AT_BYTES) or file.suffix in (".gz", ".npy", ".npz", ".pkl", ".pt", ".zip")


def _copies(folder: Path) -> Iterator[Finding]:
    """Other submissions of the tree with the same code, ignoring comments, and the same search space."""
    root = next((parent for parent in folder.parents if parent.name == "submissions"), SUBMISSIONS)
    own = _fingerprint(folder)
    for other in sorted(path.parent for path in root.rglob("submission.py")):
        if other != folder and own is not None and _fingerprint(other) == own:
            yield Finding(RULES["12.6"], f"Code and search space are those of {other.relative_to(root.parent)}.")


def _fingerprint(folder: Path) -> str | None:
    """A hash of the code without comments and layout, and of the search space; None if a file cannot be read."""
    digest = hashlib.sha256()
    try:
        for file in sorted(path for path in folder.rglob("*.py") if is_part(path, folder)):
            digest.update(f"{file.relative_to(folder)}\n{ast.dump(ast.parse(file.read_bytes()))}\n".encode())
        space = folder / SEARCH_SPACE_FILE
        if space.is_file():
            digest.update(json.dumps(json.loads(space.read_bytes())).encode())
    except (SyntaxError, ValueError, RecursionError):
        return None
    return digest.hexdigest()
