"""Reads tables of small whole numbers from comma-separated text, at memory speed.

The files of molecules have a hundred million fields; a parser that reads field by field takes minutes. Here every
step is vectorised over all fields of a chunk of text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

EMPTY_FIELD = -1
_CHUNK_BYTES = 1 << 23
_LARGEST_DIGITS = 9  # what fits into int32
_COMMA, _NEWLINE, _POINT, _ZERO = b",\n.0"
_SHOWN_CHARACTERS = 40


class TableError(ValueError):
    """The text is not a table of whole numbers."""


def read_numbers(file: BinaryIO, num_columns: int, *, missing_allowed: bool = False) -> Iterator[np.ndarray]:
    """Yield the rows of a table in chunks: int32 (rows, num_columns).

    A field is an unsigned number, optionally followed by `.0`. If `missing_allowed`, it may be empty, which becomes
    EMPTY_FIELD. TableError for any other field, or if a line has the wrong number of fields.
    """
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        text, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield _parse(text + newline, num_columns, missing_allowed)
    if rest:
        yield _parse(rest + b"\n", num_columns, missing_allowed)


def _parse(text: bytes, num_columns: int, missing_allowed: bool) -> np.ndarray:
    """The numbers of whole lines."""
    characters = np.frombuffer(text, np.uint8)
    separators = np.flatnonzero((characters == _COMMA) | (characters == _NEWLINE))
    _check_lines(text, characters[separators] == _NEWLINE, num_columns)
    ends, starts = separators, np.concatenate([[0], separators[:-1] + 1])
    padded = np.concatenate([np.zeros(2, np.uint8), characters])  # so that every field end has two characters before it
    has_fraction = (ends - starts > 2) & (padded[ends] == _POINT) & (padded[ends + 1] == _ZERO)
    ends = ends - 2 * has_fraction
    lengths = ends - starts
    values = np.zeros(len(ends), np.int32)
    is_number = lengths <= _LARGEST_DIGITS
    for place in range(int(lengths.max(initial=0, where=is_number))):
        long_enough = lengths > place
        digits = characters[ends - 1 - place].astype(np.int32) - _ZERO
        is_number &= ~long_enough | ((digits >= 0) & (digits <= 9))
        values += np.where(long_enough & is_number, digits, 0) * 10**place
    is_empty = lengths == 0
    if not missing_allowed:
        is_number &= ~is_empty
    values[is_empty] = EMPTY_FIELD
    if not is_number.all():
        field = int(np.argmin(is_number))
        shown = text[starts[field] : separators[field]][:_SHOWN_CHARACTERS].decode(errors="replace")
        raise TableError(f"it has the field {shown!r}, which is not a whole number of at most {_LARGEST_DIGITS} digits")
    return values.reshape(-1, num_columns)


def _check_lines(text: bytes, ends_line: np.ndarray, num_columns: int) -> None:
    """TableError if a line has too few or too many fields; `ends_line`: is a separator a line end?"""
    line_ends = np.flatnonzero(ends_line)
    counts = np.diff(line_ends, prepend=-1)
    if np.any(wrong := counts != num_columns):
        line = int(np.argmax(wrong))
        shown = text.split(b"\n", line + 1)[line][:_SHOWN_CHARACTERS].decode(errors="replace")
        raise TableError(f"the line {shown!r} has {counts[line]} fields instead of {num_columns}")
