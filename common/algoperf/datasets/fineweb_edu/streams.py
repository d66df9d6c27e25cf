"""Puts documents one behind the other, in the order of a permutation: the streams of tokens of the splits.

A split has two tables: its stream, `tokens`, and its documents, in `<split>_documents`: `source`, a document's number
in the files, and `end`, where the stream goes on with the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.files import sync_file
from algoperf.data.store.build_units import Unit
from algoperf.data.store.store import Store
from algoperf.datasets.fineweb_edu.documents import END, SPLIT
from algoperf.errors import DataError

_TOKENS_AT_A_TIME = 1 << 26
_DOCUMENTS_AT_A_TIME = 1 << 12
_ENDS = "ends.npy"


def _open_tokens(directory: Path) -> np.ndarray:
    """The tokens of a store of documents, memory-mapped."""
    return np.asarray(Store.open(directory).split(SPLIT)["tokens"])


def find_ends(directory: Path) -> np.ndarray:
    """Where each document of a store of documents ends, behind its END: int64. Kept in a file beside the store's."""
    path = directory / _ENDS
    if not path.exists():
        tokens = _open_tokens(directory)
        found = [
            np.flatnonzero(tokens[start : start + _TOKENS_AT_A_TIME] == END) + (start + 1)
            for start in range(0, len(tokens), _TOKENS_AT_A_TIME)
        ]
        part = directory / f"part.{_ENDS}"
        np.save(part, np.concatenate(found))
        sync_file(part)
        os.replace(part, path)
    ends: np.ndarray = np.load(path)
    return ends


@dataclass(frozen=True)
class Portion:
    """A range of a split's documents, in the permuted order.

    Attributes:
      sources: numbers of the documents in the files, int64 (N,).
      ends: where they end in the split's stream, int64 (N,).
      start: where the first one begins there.
      end_of_text: the token behind each document.
    """

    directory: Path
    source_hash: str
    sources: np.ndarray
    ends: np.ndarray
    start: int
    end_of_text: int

    @property
    def identity(self) -> str:
        """The documents and their tokens."""
        return f"{self.source_hash} {self.start} {self.ends[-1]} {self.sources[0]} {self.sources[-1]} {len(self.ends)}"


class StreamPortion(Portion):
    """Writes the tokens of its documents. The last document may be cut, where the stream is long enough."""

    @property
    def num_bytes(self) -> int:
        """Size of the shard."""
        return 2 * int(self.ends[-1] - self.start)

    def rows(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the tokens of some documents at a time."""
        tokens, source_ends = _open_tokens(self.directory), np.load(self.directory / _ENDS, mmap_mode="r")
        left = int(self.ends[-1]) - self.start
        for first in range(0, len(self.sources), _DOCUMENTS_AT_A_TIME):
            sources = self.sources[first : first + _DOCUMENTS_AT_A_TIME]
            stops = source_ends[sources]
            starts = np.where(sources > 0, source_ends[sources - 1], 0)
            full = stops - starts > 1  # an empty document has no tokens, not even an end
            pieces = [
                tokens[start:stop] for start, stop in zip(starts[full].tolist(), stops[full].tolist(), strict=True)
            ]
            joined = np.concatenate([np.empty(0, np.uint16), *pieces])[:left]
            joined[joined == END] = self.end_of_text
            left -= len(joined)
            yield {"tokens": joined}


class DocumentPortion(Portion):
    """Writes the table of its documents."""

    @property
    def num_bytes(self) -> int:
        """Size of the shard."""
        return self.sources.nbytes + self.ends.nbytes

    def rows(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield all rows."""
        yield {"source": self.sources, "end": self.ends}


def split_units(
    directory: Path, *, key: str, num_tokens: dict[str, int], end_of_text: int, shard_bytes: int
) -> dict[str, Sequence[Unit]]:
    """Units of all tables, for splits of so many tokens each, filled one after the other with permuted documents.

    No document is in two splits: what is left of the last one of a split is not used. DataError if there are too few.
    """
    ends = find_ends(directory)
    source_hash = Store.open(directory).hash
    permutation = keyed_generator(key, "documents").permutation(len(ends))
    lengths = np.diff(ends, prepend=0)[permutation]
    lengths[lengths == 1] = 0
    units: dict[str, Sequence[Unit]] = {}
    first = 0
    for split, wanted in num_tokens.items():
        stream_ends = np.cumsum(lengths[first:])
        count = int(np.searchsorted(stream_ends, wanted)) + 1
        if count > len(stream_ends):
            raise DataError(
                f"The documents have {stream_ends[-1] if len(stream_ends) else 0:,} tokens for the split {split}, but "
                f"{wanted:,} are needed. Is this another scale's data? If not, run the `download` task again."
            )
        stream_ends = np.minimum(stream_ends[:count], wanted)
        sources = permutation[first : first + count]
        cuts = np.unique(np.searchsorted(stream_ends, np.arange(shard_bytes // 2, wanted, shard_bytes // 2)))
        portions = [
            (directory, source_hash, sources[a:b], stream_ends[a:b], int(stream_ends[a - 1]) if a else 0, end_of_text)
            for a, b in zip([0, *cuts.tolist()], [*cuts.tolist(), count], strict=True)
            if b > a
        ]
        units[split] = [StreamPortion(*portion) for portion in portions]
        units[f"{split}_documents"] = [DocumentPortion(*portion) for portion in portions]
        first += count
    return units
