"""The input queue: the iterator over training batches that a submission's `data_selection` draws from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from algoperf.datasets.base import Batch, TrainingBatches


class InputQueue(Iterator[Batch]):
    """Endless training batches, placed on the devices. Its whole state is `position`.

    Batches are made when they are asked for: nothing is prepared while the clock stands still.
    """

    def __init__(self, batches: TrainingBatches, place: Callable[[Batch], Batch], position: int = 0) -> None:
        self.position = position
        self._batches = batches
        self._place = place

    def __next__(self) -> Batch:
        batch = self._place(self._batches.batch(self.position))
        self.position += 1
        return batch
