"""What all sequences of batches have in common: indices and slices, as of a list."""

from __future__ import annotations

import abc
import operator
from collections.abc import Sequence
from typing import overload

from algoperf.data.contracts import Batch


class BatchSequence(Sequence[Batch]):
    """A sequence whose batches are made when they are asked for."""

    @abc.abstractmethod
    def _batch(self, number: int) -> Batch:
        """Batch `number`, from 0 to the length."""

    @overload
    def __getitem__(self, index: int) -> Batch: ...

    @overload
    def __getitem__(self, index: slice) -> list[Batch]: ...

    def __getitem__(self, index: int | slice) -> Batch | list[Batch]:
        if isinstance(index, slice):
            return [self._batch(number) for number in range(*index.indices(len(self)))]
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"batch {number} of {len(self)}")
        return self._batch(number % len(self))
