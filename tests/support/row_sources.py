"""Sources of rows for tests of the pool; workers also import them."""

import time
from dataclasses import dataclass

import numpy as np

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
