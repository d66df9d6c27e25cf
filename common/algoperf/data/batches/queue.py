"""The input queue: the iterator over training batches that a submission's `data_selection` draws from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from algoperf.data.contracts import Batch, PendingBatch, PrefetchedBatches, TrainingBatches

AHEAD = 2  # number of batches that workers make ahead


class InputQueue(Iterator[Batch]):
    """Endless training batches, placed on the devices. Its whole state is `position`.

    This thread makes no batches ahead. If a dataset has workers, they make the next AHEAD batches, but only while
    the clock runs.
    """

    def __init__(self, batches: TrainingBatches, place: Callable[[Batch], Batch], position: int = 0) -> None:
        self._batches = batches
        self._place = place
        self._position = self._next_to_make = position
        self._ahead: deque[PendingBatch] = deque()

    @property
    def position(self) -> int:
        """Where the next batch begins, see `TrainingBatches`."""
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        self._position = value
        self.close()

    def __next__(self) -> Batch:
        self._begin()
        batch = self._ahead.popleft().result() if self._ahead else self._batches.batch(self._position)
        self._position = self._batches.after(self._position)
        self._begin()
        return self._place(batch)

    def fill(self) -> None:
        """Let workers make the first batches, and wait for them. Call this before the clock starts."""
        self.prepare()
        self._begin()
        for batch in self._ahead:
            batch.wait()

    def prepare(self) -> None:
        """Make the order of the coming examples. Call this where the submission is not charged."""
        self._batches.prepare(max(self._position, self._next_to_make))

    def close(self) -> None:
        """Discard the batches that were made ahead."""
        while self._ahead:
            self._ahead.popleft().discard()
        self._next_to_make = self._position

    def _begin(self) -> None:
        if isinstance(self._batches, PrefetchedBatches):
            while len(self._ahead) < AHEAD:
                self._ahead.append(self._batches.begin(self._next_to_make))
                self._next_to_make = self._batches.after(self._next_to_make)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the workers' training batches. Wrap everything in this that is not on the clock."""
        if not isinstance(self._batches, PrefetchedBatches):
            yield
            return
        self._batches.pause()
        try:
            yield
        finally:
            self._batches.resume()
