"""Sentence pairs as units of work: tokenises them. A record holds the tokens of both sides, all in 16 bits."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from algoperf.data.store.record_units import Record
from algoperf.data.text.sentence_piece import Tokenizer
from algoperf.datasets.wmt.raw import Pairs, Side

SHARD_BYTES = 1 << 26
_GROWTH = 0.6  # tokens are smaller than their text by about this factor


@dataclass(frozen=True)
class Sentences:
    """The pairs of one shard, which lie one after another in their files.

    Attributes:
      pairs: where they are; only those of this shard.
      places: int64 (N,): their places in the store.
      tokenizer: the model.
    """

    pairs: Pairs
    places: np.ndarray
    tokenizer: bytes

    @property
    def num_bytes(self) -> int:
        """Approximate size of the shard."""
        return int(_GROWTH * self.pairs.num_bytes.sum())

    @property
    def identity(self) -> str:
        """The pairs, their places, and what they are turned into."""
        sides = (self.pairs.german, self.pairs.english)
        digest = hashlib.sha256(self.tokenizer)
        for array in (self.places, *(part for side in sides for part in (side.starts, side.ends))):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"{self.pairs.corpus.name} {digest.hexdigest()}"

    def records(self) -> Iterator[Record]:
        """Yield the pairs, with their lengths, and how many of the tokens are known words."""
        tokenizer = Tokenizer(self.tokenizer)
        width = len(str(np.iinfo(np.int32).max))
        german, english = self.pairs.german, self.pairs.english
        contents = _content(german), _content(english)
        for number, place in enumerate(self.places.tolist()):
            texts = (side.text(*part, number) for side, part in zip((german, english), contents, strict=True))
            inputs, targets = (np.array(tokenizer.encode(text), np.uint16) for text in texts)
            fields = {
                "num_inputs": np.uint32(len(inputs)),
                "num_targets": np.uint32(len(targets)),
                "known_inputs": np.uint32(np.count_nonzero(inputs)),
                "known_targets": np.uint32(np.count_nonzero(targets)),
            }
            yield Record(f"{place:0{width}}", inputs.tobytes() + targets.tobytes(), fields)


def _content(side: Side) -> tuple[bytes, int]:
    """The part of a file that holds sentences, and where it begins."""
    start, end = int(side.starts[0]), int(side.ends[-1])
    with side.path.open("rb") as file:
        file.seek(start)
        return file.read(end - start), start


def shards(pairs: Pairs, places: np.ndarray, tokenizer: bytes, shard_bytes: int) -> list[Sentences]:
    """Consecutive pairs as units of about `shard_bytes`; `places` are those of the pairs in the store."""
    sizes = np.cumsum(pairs.num_bytes) * _GROWTH
    cuts = np.flatnonzero(np.diff(sizes // shard_bytes, prepend=0.0) > 0)
    bounds = np.unique([0, *cuts, len(places)])
    return [
        Sentences(pairs.part(slice(first, last)), places[first:last], tokenizer)
        for first, last in itertools.pairwise(bounds.tolist())
    ]


def first_lines(corpora: Sequence[Pairs], order: np.ndarray, num_bytes: int) -> Iterator[str]:
    """German and English sentences in turns, of pairs in the given order, until there are so many bytes."""
    ends = np.cumsum([len(pairs.numbers) for pairs in corpora])
    contents = [{side.path: side.path.read_bytes() for side in (pairs.german, pairs.english)} for pairs in corpora]
    written = 0
    for example in order.tolist():
        if written >= num_bytes:
            return
        corpus = int(np.searchsorted(ends, example, side="right"))
        pairs = corpora[corpus]
        number = example - int(ends[corpus])  # from the end of the corpus
        for side in (pairs.german, pairs.english):
            text = side.text(contents[corpus][side.path], 0, number)
            written += len(text.encode()) + 1
            yield text
