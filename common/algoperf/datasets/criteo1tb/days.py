"""Lines of a day as a unit of work, which makes the rows of one shard."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from algoperf.datasets.criteo1tb.lines import ROW_BYTES, Rows, count_lines, malformed, parse
from algoperf.datasets.criteo1tb.raw import Day
from algoperf.errors import DataError

_CHUNK_BYTES = 1 << 23
_NAMED, _COUNTED = 5, 100  # malformed lines that a message names, and that are looked for at most
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Lines:
    """Lines from `first` to `stop` (exclusive) of a day that has `num_lines`."""

    day: Day
    first: int
    stop: int
    num_lines: int

    @property
    def num_bytes(self) -> int:
        """Size of the rows."""
        return (self.stop - self.first) * ROW_BYTES

    @property
    def identity(self) -> str:
        """The file, and which lines of it."""
        return f"{self.day.identity} {self.first} {self.stop} {self.num_lines}"

    def rows(self) -> Iterator[Rows]:
        """The rows, some at a time. DataError if lines are malformed, or if there are more or fewer."""
        bad: list[tuple[int, str]] = []
        for start, text in self._chunks():
            try:
                rows = parse(text)
            except ValueError as error:
                found = [(start + place, what) for place, what in itertools.islice(malformed(text), _COUNTED)]
                bad += found or [(start, f"here or soon after: {error}")]
                if len(bad) >= _COUNTED:
                    break
            else:
                if not bad:
                    yield rows
        if bad:
            raise self._malformed(bad)

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        """The number of the first line, and the text, of some lines at a time."""
        done = 0
        with self.day.opened() as stream:
            for text in whole_lines(stream, _CHUNK_BYTES):
                start, done = done, done + count_lines(text)
                if done > self.num_lines:
                    raise self._wrong_number(f"more than {self.num_lines}")
                if done > self.first:
                    begin, end = max(self.first - start, 0), min(self.stop, done) - start
                    yield start + begin, cut_lines(text, begin, end)
                if done >= self.stop < self.num_lines:
                    return
        if done < self.num_lines:
            raise self._wrong_number(str(done))

    def _wrong_number(self, found: str) -> DataError:
        return DataError(
            f"{self.day} has {found} lines, but {self.day.name} should have {self.num_lines}. It is incomplete or of "
            "another data set: fetch it again."
        )

    def _malformed(self, bad: list[tuple[int, str]]) -> DataError:
        count = str(len(bad)) if len(bad) < _COUNTED else f"at least {_COUNTED}"
        named = "".join(f"\n  line {number + 1}: {' '.join(what.split())[:160]}" for number, what in bad[:_NAMED])
        return DataError(
            f"{self.day} has {count} malformed lines:{named}\nA line has 40 fields, divided by tabs: a label, 0 or 1, "
            "13 numbers and 26 strings. The published files have no other lines, and no line may be left out: fetch "
            "this file again. Days that are done are kept."
        )


def whole_lines(stream: IO[bytes], num_bytes: int) -> Iterator[bytes]:
    """The text of a stream in pieces of whole lines, of about `num_bytes`."""
    rest = b""
    while block := stream.read(num_bytes):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield b"".join((rest, head, newline))
            rest = tail
        else:
            rest += block
    if rest:
        yield rest


def cut_lines(text: bytes, begin: int, end: int) -> bytes:
    """Lines from `begin` to `end` (exclusive) of a text."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE) + 1
    ends = ends if text.endswith(b"\n") else np.append(ends, len(text))
    return text[ends[begin - 1] if begin else 0 : ends[end - 1]]
