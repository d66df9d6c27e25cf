"""FineWeb-Edu: English web pages of educational value (Penedo et al., 2024), the sample of 10 billion tokens.

Splits: `train` (8,749,870 sequences of 1,024 tokens) and `validation` (100,000), from different documents. There is no
test split.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Batch, Split
from algoperf.data.store.array_units import ARRAYS
from algoperf.data.store.build_units import build
from algoperf.data.store.store import store_exists
from algoperf.data.text.byte_pairs import BytePairTokenizer, Vocabulary
from algoperf.data.transfer.download import download
from algoperf.datasets.fineweb_edu import miniature, raw
from algoperf.datasets.fineweb_edu.documents import SPLIT, Documents, inspect, shards
from algoperf.datasets.fineweb_edu.streams import split_units
from algoperf.datasets.fineweb_edu.windows import OpenFineWebEdu
from algoperf.errors import DataError, DiskFull
from algoperf.system import usable_cores
from algoperf.text import format_bytes

SHARD_BYTES = 1 << 27
_NUM_SEQUENCES: Mapping[Split, int] = {"train": 8_749_870, "validation": 100_000}


@dataclass(frozen=True)
class FineWebEdu:
    """FineWeb-Edu as a dataset.

    Attributes:
      length: tokens of a sequence.
      vocab_size: number of tokens.
      num_files, num_documents: of the raw data.
      num_sequences: how many a split has; it takes as many documents as they need.
      shard_bytes: approximate size of what a process makes at a time.
    """

    length: int = 1024
    vocab_size: int = 50_257
    num_files: int = raw.NUM_FILES
    num_documents: int = raw.NUM_DOCUMENTS
    num_sequences: Mapping[Split, int] = field(default_factory=lambda: _NUM_SEQUENCES)
    shard_bytes: int = SHARD_BYTES
    name: str = "fineweb_edu"

    @property
    def input_stats(self) -> None:
        """Tokens are not normalised."""
        return None

    @property
    def num_classes(self) -> int:
        """The tokens."""
        return self.vocab_size

    def example_batch(self) -> Batch:
        """One sequence."""
        tokens = np.zeros((1, self.length), np.int32)
        return {"inputs": tokens, "targets": tokens}

    def download(self, raw_dir: Path) -> None:
        """Fetch 14 files of documents, 28.5 GB, and the two of the tokenizer."""
        download([*raw.TOKENIZER, *raw.TEXTS], raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write files of the same names and layout, full of generated text, with a tokenizer of few tokens."""
        miniature.write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: first all documents as tokens, then of those the splits. Resumes an interrupted call."""
        data_dir = data_dir.resolve()
        tokens = data_dir.with_name(f".{data_dir.name}.tokens")
        if not store_exists(data_dir):
            vocabulary = Vocabulary.find(raw_dir)
            tokenizer = BytePairTokenizer(vocabulary)
            if len(tokenizer) != self.vocab_size:
                raise DataError(f"{vocabulary.ids} has {len(tokenizer)} tokens, but the model has {self.vocab_size}.")
            if not store_exists(tokens):
                files = inspect(raw.parquet_files(raw_dir, self.num_files), self.num_documents)
                units = shards(files, vocabulary, self.shard_bytes)
                self._announce(units, data_dir.parent)
                build(tokens, dataset=self.name, splits={SPLIT: units}, form=ARRAYS, num_processes=usable_cores())
            splits = split_units(
                tokens,
                key=self.name,
                num_tokens={split: count * (self.length + 1) for split, count in self.num_sequences.items()},
                end_of_text=tokenizer.end_of_text,
                shard_bytes=self.shard_bytes,
            )
            build(data_dir, dataset=self.name, splits=splits, form=ARRAYS, num_processes=usable_cores())
        shutil.rmtree(tokens, ignore_errors=True)

    def open(self, data_dir: Path) -> OpenFineWebEdu:
        """Batches of `inputs` and `targets`, the tokens behind them: int32 (B, length)."""
        return OpenFineWebEdu(data_dir, self.length)

    def _announce(self, units: list[Documents], folder: Path) -> None:
        """The disk space of both steps. DiskFull if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        stored = 2 * sum(count * (self.length + 1) for count in self.num_sequences.values())
        required, free = stored + sum(unit.num_bytes for unit in units), shutil.disk_usage(folder).free
        print(
            f"Making tokens of {self.num_documents:,} documents: {format_bytes(required)} of disk space needed until "
            f"the store is made, {format_bytes(stored)} then; {format_bytes(free)} free.",
            flush=True,
        )
        if required > free:
            raise DiskFull(folder, required)


FINEWEB_EDU = FineWebEdu()
FINEWEB_EDU_MINI = FineWebEdu(
    length=miniature.LENGTH,
    vocab_size=miniature.VOCAB_SIZE,
    num_files=miniature.NUM_FILES,
    num_documents=miniature.NUM_DOCUMENTS,
    num_sequences=miniature.NUM_SEQUENCES,
)
