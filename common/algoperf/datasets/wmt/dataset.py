"""WMT: news and other texts in German and English, for translation from German.

Splits: `train` (5,906,184 pairs of WMT 2017: Europarl, Common Crawl, News Commentary, EU press releases), `validation`
(3,000: newstest2013) and `test` (3,003: newstest2014). Training skips pairs of more than 256 tokens on a side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Batch, Split
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS
from algoperf.data.store.store import store_exists
from algoperf.data.text.sentence_piece import given_tokenizer, train_unigram
from algoperf.data.transfer.download import download
from algoperf.data.transfer.unpacking import unpacked
from algoperf.datasets.wmt import miniature, raw
from algoperf.datasets.wmt.batches import TOKENIZER, OpenWMT
from algoperf.datasets.wmt.published_order import example_names, hash_order, read_order
from algoperf.datasets.wmt.sentences import SHARD_BYTES, Sentences, first_lines, shards
from algoperf.errors import DataError
from algoperf.system import usable_cores
from algoperf.text import counted

TOKENIZER_BYTES = 10_000_000  # of text, as published


@dataclass(frozen=True)
class WMTNews:
    """WMT's news as a dataset.

    Attributes:
      num_tokens: room in a row of a batch, on each side.
      vocab_size: number of tokens, of both languages together; 0 is unknown words, and padding.
      num_pairs: of each split.
      shard_bytes: approximate size of the files of the store.
    """

    num_tokens: int = 256
    vocab_size: int = 32_000
    num_pairs: Mapping[Split, int] = field(default_factory=lambda: raw.NUM_PAIRS)
    shard_bytes: int = SHARD_BYTES
    name: str = "wmt"

    @property
    def input_stats(self) -> None:
        """Tokens are not normalised."""
        return None

    @property
    def num_classes(self) -> int:
        """The tokens."""
        return self.vocab_size

    def example_batch(self) -> Batch:
        """One pair that fills a row."""
        return {side: np.ones((1, self.num_tokens), np.int32) for side in ("inputs", "targets")}

    def download(self, raw_dir: Path) -> None:
        """Fetch five archives, 1.9 GB."""
        download(raw.ARCHIVES, raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write archives of the same names and layout, in two invented languages."""
        miniature.write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: tokens and the tokenizer. Resumes an interrupted call."""
        if store_exists(data_dir):
            return
        with unpacked(raw.archives(raw_dir), data_dir, raw.GROWTH) as folder:
            splits = {split: self._read(folder, split) for split in raw.CORPORA}
            model = b""
            units: dict[str, list[Sentences]] = {}
            for split, corpora in splits.items():  # the training split comes first
                names = [name for pairs in corpora for name in example_names(pairs.corpus.name, pairs.numbers.tolist())]
                order = hash_order(names, split)
                if split == "train":
                    order = order[read_order(len(order))]
                    model = self._tokenizer(raw_dir, corpora, order)
                places = np.argsort(order)
                units[split] = self._units(corpora, places, model)
            build(
                data_dir, dataset=self.name, splits=units, form=RECORDS, num_processes=usable_cores(),
                other_files={TOKENIZER: model},
            )  # fmt: skip

    def open(self, data_dir: Path) -> OpenWMT:
        """Batches of `inputs` and `targets`, int32 (B, num_tokens), packed with positions and segments in training."""
        return OpenWMT(data_dir, self.num_tokens)

    def _read(self, unpacked: Path, split: Split) -> list[raw.Pairs]:
        corpora = [raw.read_pairs(unpacked, corpus) for corpus in raw.CORPORA[split]]
        count = sum(len(pairs.numbers) for pairs in corpora)
        if count != self.num_pairs[split]:
            raise DataError(
                f"{unpacked} has {counted(count, 'pair')} of sentences for the split {split!r}, which has "
                f"{self.num_pairs[split]}. Is this another scale's data? If not, delete it and the archives, and run "
                "the `download` task again."
            )
        return corpora

    def _units(self, corpora: Sequence[raw.Pairs], places: np.ndarray, model: bytes) -> list[Sentences]:
        ends = np.cumsum([len(pairs.numbers) for pairs in corpora])
        parts = zip(corpora, np.split(places, ends[:-1]), strict=True)
        return [unit for pairs, part in parts for unit in shards(pairs, part, model, self.shard_bytes)]

    def _tokenizer(self, raw_dir: Path, corpora: Sequence[raw.Pairs], order: np.ndarray) -> bytes:
        """The model in the raw folder if there is one, else one trained on the beginning of the training split."""
        given = given_tokenizer(raw_dir / TOKENIZER, self.vocab_size)
        if given is not None:
            return given
        return train_unigram(first_lines(corpora, order, TOKENIZER_BYTES), self.vocab_size, TOKENIZER_BYTES * 2)


WMT = WMTNews()
WMT_MINI = WMTNews(
    num_tokens=miniature.NUM_TOKENS,
    vocab_size=miniature.VOCAB_SIZE,
    num_pairs=miniature.NUM_PAIRS,
)
