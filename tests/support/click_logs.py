"""Small click logs in the published format, and rows made from them one by one with other code."""

from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import farmhash
import numpy as np

from algoperf.datasets.criteo1tb.dataset import Criteo1TB
from algoperf.datasets.criteo1tb.lines import BUCKETS, GROUPS, Rows

SMALL = Criteo1TB(lines_per_day=(12, 9, 14), lines_per_file=5, num_test_files=1)


def line(number: int) -> str:
    """A line that is like no other: fields are missing, negative, and of odd lengths."""
    rng = np.random.default_rng(number)
    numbers = [("", "-1", "0", str(rng.integers(-3, 2_000_000)))[rng.integers(4)] for _ in range(13)]
    strings = [("", f"{rng.integers(2**32):08x}", f"{rng.integers(2**32):08x}")[rng.integers(3)] for _ in BUCKETS]
    strings[number % 26] = "x" * (number % 70)
    return "\t".join([str(number % 2), *numbers, *strings])


def day_lines(day: int, counts: tuple[int, ...] = SMALL.lines_per_day) -> list[str]:
    """The lines of a day, numbered over all days."""
    first = sum(counts[:day])
    return [line(first + number) for number in range(counts[day])]


def text_of(lines: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in lines).encode()


def write_days(folder: Path, change: Callable[[dict[str, bytes]], None] | None = None) -> Path:
    """Compressed days; `change` edits names and contents before they are compressed."""
    folder.mkdir(parents=True)
    days = {f"day_{day}": text_of(day_lines(day)) for day in range(len(SMALL.lines_per_day))}
    if change is not None:
        change(days)
    for name, text in days.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text, mtime=0))
    return folder


def write_zip(folder: Path) -> Path:
    """A zip of compressed days, in a folder of its own."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "all_days.zip", "w") as archive:
        for day in range(len(SMALL.lines_per_day)):
            archive.writestr(f"criteo/day_{day}.gz", gzip.compress(text_of(day_lines(day)), mtime=0))
    return folder


def write_text(folder: Path) -> Path:
    """Days as text, with and without a suffix; the last line of each has no end."""
    folder.mkdir()
    for day, suffix in enumerate(("", ".csv", ".txt")):
        (folder / f"day_{day}{suffix}").write_bytes(text_of(day_lines(day)).removesuffix(b"\n"))
    return folder


def inputs_of(text: str) -> tuple[int, list[float]]:
    """Label and inputs of a line, field by field."""
    label, *fields = text.split("\t")
    dense = [math.log(max(float(field or 0), 0.0) + 1) for field in fields[:13]]
    ids = []
    for column, field in enumerate(fields[13:]):
        value = "00000000" if field in ("", "-1") else field
        ids.append(float(np.float32(farmhash.fingerprint64(f"{value}{column}") % BUCKETS[column])))
    return int(label or 0), dense + ids


def stored_inputs(rows: Rows) -> np.ndarray:
    """The inputs of rows of the store (N, 39)."""
    inputs = np.empty((len(rows["labels"]), 39), np.float32)
    inputs[:, :13] = rows["dense"]
    for name, (_, columns) in GROUPS.items():
        inputs[:, 13 + np.array(columns)] = rows[name]
    return inputs
