"""Criteo 1TB Click Logs: 24 days of shown advertisements, 4,373,472,329 lines, and whether they were clicked.

Splits: `train` (days 0 to 22, 4,195,197,692 lines), `test` (the first 19 files of day 23, 95,000,000 lines) and
`validation` (the rest of day 23, 83,274,637 lines). A published file has 5,000,000 lines of one day, the last one of a
day fewer. Training visits the files in random order, and lines in the order of their file, as published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.data.store.array_units import ARRAYS
from algoperf.data.store.build_units import build
from algoperf.data.store.store import store_exists
from algoperf.datasets.criteo1tb import miniature, raw
from algoperf.datasets.criteo1tb.batches import NAME, NUM_INPUTS, OpenCriteo1TB
from algoperf.datasets.criteo1tb.days import Lines
from algoperf.system import usable_cores


@dataclass(frozen=True)
class Criteo1TB:
    """The click logs as a dataset.

    Attributes:
      lines_per_day: how many lines each day has; the last day is for evaluation.
      lines_per_file: of a published file.
      num_test_files: files at the beginning of the last day that are the test split.
    """

    lines_per_day: tuple[int, ...] = raw.LINES_PER_DAY
    lines_per_file: int = 5_000_000
    num_test_files: int = 19
    name: str = NAME

    @property
    def input_stats(self) -> None:
        """Numbers are logarithms, and not normalised."""
        return

    @property
    def num_classes(self) -> None:
        """Targets are one label, 0 or 1."""
        return

    def example_batch(self) -> Batch:
        """One line."""
        return {"inputs": np.ones((1, NUM_INPUTS), np.float32), "targets": np.zeros((1, 1), np.float32)}

    def download(self, raw_dir: Path) -> None:
        """Fetch the days that are not there."""
        raw.fetch(raw_dir, len(self.lines_per_day))

    def miniature(self, raw_dir: Path) -> None:
        """Write compressed days of the same form, with generated clicks."""
        miniature.write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store, each day in a process of its own; resumes an interrupted call. No text is unpacked on disk.

        DataError, naming the file and the lines, if a day has malformed lines, or more or fewer than it should.
        """
        if store_exists(data_dir):
            return
        *training, last = raw.find_days(raw_dir, len(self.lines_per_day))
        *counts, num_last = self.lines_per_day
        num_test = self.num_test_files * self.lines_per_file
        splits = {
            "train": [Lines(day, 0, count, count) for day, count in zip(training, counts, strict=True)],
            "validation": [Lines(last, num_test, num_last, num_last)],
            "test": [Lines(last, 0, num_test, num_last)],
        }
        build(data_dir, dataset=self.name, splits=splits, form=ARRAYS, num_processes=usable_cores())

    def open(self, data_dir: Path) -> OpenCriteo1TB:
        """Batches of `inputs`, float32 (B, 39), and `targets`, float32 (B, 1)."""
        return OpenCriteo1TB(data_dir, self.file_lines())

    def file_lines(self) -> list[int]:
        """How many lines each file of the training days has, day by day."""
        size = self.lines_per_file
        return [min(size, count - start) for count in self.lines_per_day[:-1] for start in range(0, count, size)]


CRITEO1TB = Criteo1TB()
CRITEO1TB_MINI = Criteo1TB(miniature.LINES_PER_DAY, miniature.LINES_PER_FILE, miniature.NUM_TEST_FILES)
