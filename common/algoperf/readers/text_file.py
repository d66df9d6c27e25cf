"""Text in UTF-8, and the error of a file that people have to mend."""

from __future__ import annotations

import codecs
from pathlib import Path

from algoperf.errors import UserError

DEEPEST = 64
"""Levels of nesting that JSON and YAML files may have; more would exhaust Python's stack."""
TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"


class UnreadableFile(UserError):
    """A file that cannot be read as what it should be.

    Attributes:
      what: what is wrong, without the file's path.
      line: where, counted from 1; None if the place is no line.
    """

    def __init__(self, file: Path, what: str, line: int | None = None) -> None:
        where = f"{file}" if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {what}.")
        self.what = what
        self.line = line


def read_text(file: Path) -> str:
    """The content of a UTF-8 file, with or without a byte order mark. Raises UnreadableFile."""
    if not file.is_file():
        raise UnreadableFile(file, "it is no regular file" if file.exists() else "there is no such file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableFile(file, f"it cannot be read: {error.strerror}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise UnreadableFile(file, "it is not UTF-8 text, but UTF-16 or binary. Save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnreadableFile(file, f"byte {content[error.start]:#x} is not UTF-8. Save it as UTF-8", line) from None
