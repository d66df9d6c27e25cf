"""Sources of rows for tests of the pool; workers also import them."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.store.store import Store
from algoperf.errors import DataError

LAYOUT = {"number": ((), np.dtype(np.int32)), "square": ((3,), np.dtype(np.float32))}


@dataclass(frozen=True)
class Counting:
    """A task is (first number, how many)."""

    def layout(self):
        return LAYOUT

    def fill(self, task, out, between):
        for place in range(task[1]):
            between()
            out["number"][place] = task[0] + place
            out["square"][place] = (task[0] + place) ** 2


@dataclass(frozen=True)
class Slow:
    """Appends a byte to a file for every row."""

    file: str
    seconds: float

    def layout(self):
        return LAYOUT

    def fill(self, task, out, between):
        for _ in range(task):
            between()
            with open(self.file, "ab") as file:
                file.write(b".")
            time.sleep(self.seconds)


@dataclass(frozen=True)
class Failing:
    """Fails at row 7."""

    kind: str

    def layout(self):
        return LAYOUT

    def fill(self, task, out, between):
        if task[0] <= 7 < sum(task):
            raise DataError("row 7 is damaged") if self.kind == "data" else KeyError(7)


@dataclass(frozen=True)
class StoredNumbers:
    """Reads `targets` of a store; for tasks of both training and evaluation."""

    directory: Path
    split: str
    is_training: bool

    def layout(self):
        fields = {"first": ((), np.dtype(np.int64)), "targets": ((), np.dtype(np.int64))}
        return fields if self.is_training else {**fields, "real": ((), np.dtype(np.bool_))}

    def fill(self, task, out, between):
        targets = Store.open(self.directory).split(self.split)["targets"]
        if self.is_training:
            first, rows = task
            out["first"][:] = first + np.arange(len(rows))
            out["targets"][:] = targets[rows.start : rows.stop] if isinstance(rows, range) else targets[rows]
        else:
            out["first"][:] = task
            out["real"][:] = task >= 0
            out["targets"][:] = np.where(task >= 0, targets[task.clip(0)], 0)
