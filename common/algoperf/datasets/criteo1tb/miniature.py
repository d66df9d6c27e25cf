"""A small stand-in for the click logs: compressed days in the original format, with clicks that can be learned.

Whether an advertisement is clicked depends on numbers, on categories, and on pairs of categories. Categories are drawn
from power laws; most have columns in which some are missing.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.datasets.archives import write_archives
from algoperf.datasets.criteo1tb.lines import BUCKETS, NUM_DENSE

LINES_PER_FILE = 8_000
LINES_PER_DAY = (*[40_000] * 5, 16_000)
NUM_TEST_FILES = 1
_COMPRESSION = 1
_POWER = 1.2  # frequency of the n-th category is about n to the minus this
_MOST_CATEGORIES = 100
_PAIRED = ((0, 9), (1, 2), (3, 4), (6, 7), (19, 20), (10, 11))  # columns whose categories interact
_NUM_FACTORS = 4
_OFFSET = -1.6


class _World:
    """What decides about clicks; the same for all days."""

    def __init__(self) -> None:
        rng = keyed_generator("criteo1tb miniature", "world")
        self.counts = [min(buckets, _MOST_CATEGORIES) for buckets in BUCKETS]
        weights = [np.arange(1, count + 1) ** -_POWER for count in self.counts]
        self.chances = [weight / weight.sum() for weight in weights]
        self.names = [rng.choice(2**32, count, replace=False).astype(np.uint32) for count in self.counts]
        self.effects = [rng.normal(scale=0.35, size=count) for count in self.counts]
        self.factors = [
            [rng.normal(scale=0.8, size=(self.counts[column], _NUM_FACTORS)) for column in pair] for pair in _PAIRED
        ]
        self.slopes = rng.normal(scale=0.25, size=NUM_DENSE)
        self.missing = rng.choice([0.0, 0.02, 0.2], size=NUM_DENSE + len(BUCKETS))


def write_miniature(raw_dir: Path) -> None:
    """Write all days. UserError if other files have their names."""
    world = _World()
    days = {f"day_{number}.gz": _day(world, number, count) for number, count in enumerate(LINES_PER_DAY)}
    write_archives(raw_dir, days)


def _day(world: _World, number: int, num_lines: int) -> bytes:
    """The compressed text of a day."""
    import pyarrow as pa
    from pyarrow import csv

    rng = keyed_generator("criteo1tb miniature", "day", number)
    numbers = np.floor(rng.lognormal(1.0, 1.5, size=(num_lines, NUM_DENSE))).astype(np.int64) - 1
    categories = [
        rng.choice(count, num_lines, p=chances) for count, chances in zip(world.counts, world.chances, strict=True)
    ]
    is_missing = rng.random((NUM_DENSE + len(BUCKETS), num_lines)) < world.missing[:, np.newaxis]
    clicked = rng.random(num_lines) < _chances_of_clicks(world, numbers, categories, is_missing)
    columns = [pa.array(clicked.astype(np.int8))]
    columns += [pa.array(numbers[:, place], mask=is_missing[place]) for place in range(NUM_DENSE)]
    columns += [
        pa.DictionaryArray.from_arrays(
            pa.array(values, mask=missing), pa.array([f"{name:08x}" for name in names.tolist()])
        ).cast(pa.string())
        for values, missing, names in zip(categories, is_missing[NUM_DENSE:], world.names, strict=True)
    ]
    text = io.BytesIO()
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    csv.write_csv(pa.table(columns, [str(place) for place in range(len(columns))]), text, options)
    return gzip.compress(text.getvalue(), _COMPRESSION, mtime=0)


def _chances_of_clicks(
    world: _World, numbers: np.ndarray, categories: list[np.ndarray], is_missing: np.ndarray
) -> np.ndarray:
    """The chance of a click for each line; what is missing has no effect."""
    known = ~is_missing
    features = np.log1p(np.maximum(numbers, 0)) - 1.0
    score = _OFFSET + (features * known[:NUM_DENSE].T) @ world.slopes
    for column, (values, effects) in enumerate(zip(categories, world.effects, strict=True)):
        score += effects[values] * known[NUM_DENSE + column]
    for (one, other), (first, second) in zip(_PAIRED, world.factors, strict=True):
        product = (first[categories[one]] * second[categories[other]]).sum(axis=1)
        score += product * known[NUM_DENSE + one] * known[NUM_DENSE + other] / np.sqrt(_NUM_FACTORS)
    return 1 / (1 + np.exp(-score))
