"""From lines of text to rows of numbers: 40 fields, divided by tabs.

A line holds a label (0 or 1), 13 numbers and 26 strings. A field that is empty or exactly `-1` is missing: 0, and the
string `00000000`. Numbers become `log(max(x, 0) + 1)`. A string becomes the FarmHash fingerprint of itself and its
column's number behind it, modulo the column's number of buckets, rounded to float32 (of ids above 2^24, the last bits
are lost).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from algoperf.data.text.farmhash import fingerprint64, fingerprint64_of_ends, remainder

if TYPE_CHECKING:
    import pyarrow as pa

NUM_DENSE = 13
BUCKETS = (
    39_884_406, 39_043, 17_289, 7_420, 20_263, 3, 7_120, 1_543, 63, 38_532_951, 2_953_546, 403_346, 10, 2_208, 11_938,
    155, 4, 976, 14, 39_979_771, 25_641_295, 39_664_984, 585_935, 12_972, 108, 36,
)  # fmt: skip
"""Buckets of each column of strings, as published."""
GROUPS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    f"ids_{8 * np.dtype(kind).itemsize}": (
        kind,
        tuple(column for column, count in enumerate(BUCKETS) if np.min_scalar_type(count) == np.dtype(kind)),
    )
    for kind in ("u4", "u2", "u1")
}
"""Fields of the store that hold bucket ids: their type, and which columns it is the smallest for."""
ROW_BYTES = 1 + 4 * NUM_DENSE + sum(np.dtype(kind).itemsize * len(columns) for kind, columns in GROUPS.values())
_MISSING = b"00000000"
_COMMON = len(_MISSING)  # bytes of almost all strings
_DIGITS = [f"{column}".encode() for column in range(len(BUCKETS))]
_NAMES = [f"{number}" for number in range(1 + NUM_DENSE + len(BUCKETS))]
Rows = dict[str, np.ndarray]


def parse(text: bytes) -> Rows:
    """Rows of the store from whole lines: `labels` uint8 (N,), `dense` float32 (N, 13), and those of GROUPS.

    Raises ValueError if a line is malformed: it has more or fewer fields, a number that is none or not finite, a label
    other than 0 and 1, or a quote that is not closed. `malformed` tells which ones are.
    """
    if b'"' in text and any(line.count(b'"') % 2 for line in text.split(b"\n")):
        raise ValueError("a quote is not closed")  # pyarrow would go on to the next line
    columns = _columns(text)
    num_lines = count_lines(text)
    if len(columns[0]) != num_lines:
        raise ValueError("a line is empty, or ends in the middle")
    labels = _numbers(columns[0])
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("the label is neither 0 nor 1")
    dense = np.empty((num_lines, NUM_DENSE), np.float32)
    for place, column in enumerate(columns[1 : 1 + NUM_DENSE]):
        numbers = np.maximum(_numbers(column), 0)
        numbers += 1
        dense[:, place] = np.log(numbers, out=numbers)
    if not np.isfinite(dense).all():
        raise ValueError("a number is not finite")
    rows: Rows = {"labels": labels.astype(np.uint8), "dense": dense}
    for name, (kind, places) in GROUPS.items():
        rows[name] = ids = np.empty((num_lines, len(places)), kind)
        for place, column_number in enumerate(places):
            found = _bucket_ids(columns[1 + NUM_DENSE + column_number], column_number)
            ids[:, place] = found.astype(np.float32) if kind == "u4" else found
    return rows


def malformed(text: bytes) -> Iterator[tuple[int, str]]:
    """Number from 0, and what is wrong, of each malformed line, in their order."""
    lines = text.removesuffix(b"\n").split(b"\n")
    pending = [(0, len(lines))]
    while pending:
        start, stop = pending.pop()
        try:
            parse(b"\n".join(lines[start:stop]) + b"\n")
        except ValueError as error:
            if stop - start == 1:
                yield start, str(error)
            else:
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]


def count_lines(text: bytes) -> int:
    """Lines of a text, of which the last may lack its end."""
    return text.count(b"\n") + (not text.endswith(b"\n") and text != b"")


def _columns(text: bytes) -> list[pa.Array]:
    """The fields of all lines, column by column."""
    import pyarrow as pa
    from pyarrow import csv

    num_numbers = 1 + NUM_DENSE
    types = {name: pa.float32() if place < num_numbers else pa.binary() for place, name in enumerate(_NAMES)}
    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=_NAMES),
        "parse_options": csv.ParseOptions(delimiter="\t"),
        "convert_options": csv.ConvertOptions(
            column_types=types, null_values=["", "-1"], strings_can_be_null=True, check_utf8=False
        ),
    }
    try:
        table = csv.read_csv(pa.BufferReader(text), **options)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from error
    return [column.combine_chunks() for column in table.columns]


def _numbers(column: pa.Array) -> np.ndarray:
    """Numbers of a column, float32 (N,); missing ones are 0."""
    numbers: np.ndarray = (column.fill_null(0) if column.null_count else column).to_numpy().astype(np.float32)
    return numbers


def _bucket_ids(column: pa.Array, number: int) -> np.ndarray:
    """Bucket ids of a column of strings, uint64 (N,)."""
    _, starts, content = column.buffers()
    offsets, data = np.frombuffer(starts, "<i4"), np.frombuffer(content or b"", np.uint8)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(offsets)
    present = lengths > 0
    if present.all() and (lengths == _COMMON).all():
        return _hashed(data[offsets[0] : offsets[-1]].reshape(-1, _COMMON), number)
    ids = np.full(len(column), _hashed(np.frombuffer(_MISSING, np.uint8)[np.newaxis], number)[0])
    for length in np.unique(lengths[present]).tolist():
        places = np.flatnonzero(lengths == length)
        ids[places] = _hashed(data[offsets[places, np.newaxis] + np.arange(length)], number)
    return ids


def _hashed(strings: np.ndarray, number: int) -> np.ndarray:
    """Bucket ids of strings of one length, uint8 (N, length), in a column."""
    suffix = _DIGITS[number]
    length = strings.shape[1] + len(suffix)
    if strings.shape[1] == _COMMON:
        first = np.ascontiguousarray(strings).view("<u8")[:, 0]
        last = first >> np.uint64(8 * len(suffix))
        last |= np.uint64(int.from_bytes(suffix, "little") << (64 - 8 * len(suffix)))
        return remainder(fingerprint64_of_ends(first, last, length), BUCKETS[number])
    whole = np.empty((len(strings), length), np.uint8)
    whole[:, : strings.shape[1]], whole[:, strings.shape[1] :] = strings, np.frombuffer(suffix, np.uint8)
    return remainder(fingerprint64(whole), BUCKETS[number])
