"""Units of a build that write numbers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NumberUnit:
    """The rows that say `first` to `last - 1`, some at a time."""

    first: int
    last: int
    chunk: int = 3
    sleep_sec: float = 0
    targets: str = "<i4"

    @property
    def num_bytes(self) -> int:
        return (self.last - self.first) * 20

    @property
    def identity(self) -> str:
        return f"{self.first} to {self.last}"

    def rows(self) -> Iterator[dict[str, np.ndarray]]:
        for start in range(self.first, self.last, self.chunk):
            time.sleep(self.sleep_sec)
            numbers = np.arange(start, min(start + self.chunk, self.last))
            yield {"inputs": np.stack([numbers, -numbers], axis=1), "targets": numbers.astype(self.targets)}
