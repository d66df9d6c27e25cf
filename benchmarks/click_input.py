"""How fast one core turns lines of Criteo 1TB into the store, and reads training and evaluation inputs from it.

Compared with a plain loop over lines, with Python's `csv` and Google's FarmHash, and with reading the text and hashing
at every step. Lines have the form of the real ones; the store is in the page cache. Times are CPU times, so other load
hardly matters; the ways alternate within one run.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
os.environ["ALGOPERF_DATA_WORKERS"] = "0"

import common
import farmhash
import numpy as np

from algoperf.data.contracts import Shard, Split
from algoperf.datasets.criteo1tb.batches import OpenCriteo1TB
from algoperf.datasets.criteo1tb.dataset import Criteo1TB
from algoperf.datasets.criteo1tb.days import whole_lines
from algoperf.datasets.criteo1tb.lines import BUCKETS, GROUPS, NUM_DENSE, ROW_BYTES, parse
from algoperf.datasets.criteo1tb.raw import LINES_PER_DAY

NUM_LINES, BATCH_SIZE = 40_000, 262_144
EVALUATED = {"eval_train": 83_361_792, "validation": 83_274_637, "test": 95_000_000}
STEP_SEC = 7_703 / 7_850  # on 8xV100, as published
Rates = dict[str, float]


def text_of(num_lines: int) -> bytes:
    """Lines as long as the real ones: some fields are missing, categories repeat."""
    rng = np.random.default_rng(0)
    numbers = np.floor(rng.lognormal(2, 2, (num_lines, NUM_DENSE))).astype(np.int64)
    texts = [[f"{value:08x}" for value in rng.integers(2**32, size=5_000)] for _ in BUCKETS]
    places = rng.integers(5_000, size=(num_lines, len(BUCKETS)))
    missing = rng.random((num_lines, NUM_DENSE + len(BUCKETS))) < 0.12
    lines = []
    for line, (values, chosen, gone) in enumerate(
        zip(numbers.tolist(), places.tolist(), missing.tolist(), strict=True)
    ):
        fields = [*map(str, values), *(texts[column][place] for column, place in enumerate(chosen))]
        lines.append(
            "\t".join([str(line % 2), *("" if lost else field for lost, field in zip(gone, fields, strict=True))])
        )
    return "".join(f"{line}\n" for line in lines).encode()


def plain(text: bytes) -> np.ndarray:
    """Inputs (N, 39), field by field."""
    rows = []
    for _, *fields in csv.reader(io.StringIO(text.decode()), delimiter="\t"):
        numbers = [math.log(max(int(field or 0), 0) + 1) for field in fields[:NUM_DENSE]]
        ids = [
            farmhash.fingerprint64(f"{field or '00000000'}{column}") % BUCKETS[column]
            for column, field in enumerate(fields[NUM_DENSE:])
        ]
        rows.append(numbers + ids)
    return np.array(rows, np.float32)


def from_text(text: bytes) -> np.ndarray:
    """The same from the product's own rows."""
    rows = parse(text)
    inputs = np.empty((len(rows["labels"]), NUM_DENSE + len(BUCKETS)), np.float32)
    inputs[:, :NUM_DENSE] = rows["dense"]
    for name, (_, columns) in GROUPS.items():
        inputs[:, NUM_DENSE + np.array(columns)] = rows[name]
    return inputs


def preprocessing(text: bytes, rounds: int) -> list[dict[str, Any]]:
    """Lines per second and core, and hours for all lines on 32 cores, of which 24 have a day each."""
    packed = gzip.compress(text, 6)

    def unpack() -> None:
        for _ in whole_lines(gzip.GzipFile(fileobj=io.BytesIO(packed)), 1 << 23):  # type: ignore[arg-type]
            pass

    np.testing.assert_allclose(from_text(text[: text.index(b"\n", 300_000) + 1]),
                               plain(text[: text.index(b"\n", 300_000) + 1]), rtol=1e-6)  # fmt: skip
    rates = measured(
        {"plain loop": lambda: plain(text), "here: lines to rows": lambda: parse(text), "here: gzip alone": unpack},
        rounds, text.count(b"\n"),
    )  # fmt: skip
    both = 1 / (1 / rates["here: lines to rows"] + 1 / rates["here: gzip alone"])
    rates["here: compressed file to rows"] = both
    return [
        {"way": name, "lines / s": rate, "rate / plain": rate / rates["plain loop"],
         "hours, a core per day": max(LINES_PER_DAY) / rate / 3600}
        for name, rate in rates.items()
    ]  # fmt: skip


def inputs(opened: OpenCriteo1TB, text: bytes, rounds: int) -> list[dict[str, Any]]:
    """Training examples per second on one core."""
    batches = opened.training(seed=0, batch_size=BATCH_SIZE, shard=Shard())
    numbers = iter(range(10**6))
    rates = measured({"from the store": lambda: batches.batch(next(numbers))}, rounds, BATCH_SIZE)
    rates |= measured({"from text, with pyarrow and hashing": lambda: from_text(text)}, rounds, text.count(b"\n"))
    needed = BATCH_SIZE / STEP_SEC
    slowest = min(rates.values())
    return [
        {"way": name, "examples / s": rate, "rate / slowest": rate / slowest, "cores for 8xV100": needed / rate}
        for name, rate in rates.items()
    ]


def evaluations(opened: OpenCriteo1TB, rounds: int) -> list[dict[str, Any]]:
    """CPU seconds for the inputs of one evaluation without the model."""
    rows = []
    for split, published in EVALUATED.items():
        count = min(opened.num_examples(split), 4 * 131_072)  # type: ignore[arg-type]
        rate = measured({split: lambda split=split, count=count: evaluate(opened, split, count)}, rounds, count)[split]
        rows.append({"split": split, "lines": published, "examples / s": rate, "core s": published / rate,
                     "GB read": published * ROW_BYTES / 1e9})  # fmt: skip
    return [
        *rows,
        {"split": "all", **{name: sum(row[name] for row in rows) for name in ("lines", "core s", "GB read")}},
    ]


def evaluate(opened: OpenCriteo1TB, split: Split, count: int) -> None:
    """Make all batches of a split."""
    for _ in opened.evaluation(split, num_examples=count, batch_size=131_072, shard=Shard(), seed=0):
        pass


def measured(ways: dict[str, Callable[[], Any]], rounds: int, count: int) -> Rates:
    """Things per CPU second of each way, from the median time; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            seconds[name].append(time.process_time() - begin)
    return {name: count / statistics.median(values) for name, values in seconds.items()}


def write_days(raw_dir: Path, text: bytes) -> Criteo1TB:
    """Days in which the lines are repeated; returns their dataset."""
    raw_dir.mkdir()
    repeats = (15, 8)
    for day, count in enumerate(repeats):
        with gzip.open(raw_dir / f"day_{day}.gz", "wb", 1) as file:
            for _ in range(count):
                file.write(text)
    lines = tuple(count * NUM_LINES for count in repeats)
    return Criteo1TB(lines_per_day=lines, lines_per_file=4 * NUM_LINES, num_test_files=1)


def main() -> None:
    """Measure all three."""
    options = common.parser(__doc__).parse_args()
    rounds = 3 if options.quick else 15
    text = text_of(NUM_LINES)
    common.report("Preprocessing of Criteo 1TB on one core", preprocessing(text, rounds), options.json)
    with tempfile.TemporaryDirectory() as folder:
        raw_dir, store = Path(folder) / "raw", Path(folder) / "store"
        dataset = write_days(raw_dir, text)
        dataset.preprocess(raw_dir, store)
        opened = dataset.open(store)
        common.report("Training inputs of Criteo 1TB on one core", inputs(opened, text, rounds), None)
        common.report("One evaluation without the model, on one core", evaluations(opened, rounds), None)


if __name__ == "__main__":
    main()
