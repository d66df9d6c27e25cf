"""What all sequences of batches share: indexing and slicing, as for a list."""

from __future__ import annotations

import abc
import operator
from collections.abc import Sequence
from typing import overload

from algoperf.data.contracts import Batch


class BatchSequence(Sequence[Batch]):
    """A sequence that makes its batches on access."""

    @abc.abstractmethod
    def _batch(self, number: int) -> Batch:
        """Make batch `number`, counted from 0."""

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
