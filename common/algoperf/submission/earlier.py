"""What a file of a submission was: records have hashes of the code, and git may have the text to a hash."""

from __future__ import annotations

import difflib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MOST_COMMITS = 50
_MOST_LINES = 10
_LONGEST_LINE = 110


def changed_lines(file: Path, digest: str | None) -> list[str]:
    """Some lines that differ between a file and its earlier content with this SHA-256, as `diff` writes them.

    Empty if the file is gone or is no text, or if no commit of the last ones has that content.
    """
    if digest is None or not file.is_file() or (before := _earlier(file, digest)) is None:
        return []
    now = file.read_text(encoding="utf-8", errors="replace")
    if "\0" in before + now:
        return []
    _, _, *lines = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0)
    more = [f"... {len(lines) - _MOST_LINES:,} lines more"] if len(lines) > _MOST_LINES else []
    return [line[:_LONGEST_LINE] for line in lines[:_MOST_LINES]] + more


def _earlier(file: Path, digest: str) -> str | None:
    """The text with a hash in the history of a file."""
    for content in _versions(file):
        if hashlib.sha256(content).hexdigest() == digest:
            return content.decode(errors="replace")
    return None


def _versions(file: Path) -> Iterator[bytes]:
    """The contents of a file in its last commits, newest first; none without git."""
    commits = _git(file.parent, "log", "--format=%H", f"--max-count={_MOST_COMMITS}", "--", file.name) or b""
    for commit in commits.decode().split():
        content = _git(file.parent, "show", f"{commit}:./{file.name}")
        if content is not None:
            yield content


def _git(folder: Path, *command: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
