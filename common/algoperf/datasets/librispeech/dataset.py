"""LibriSpeech: 960 hours of read English, 16 kHz, with transcripts (Panayotov et al., 2015).

Splits: `train` (the three training subsets), `validation` (dev-clean, then dev-other) and `test` (test-clean).
Recordings of more than 20 s and transcripts of more than 256 characters are skipped, as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Batch, Padded
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS
from algoperf.data.store.store import store_exists
from algoperf.data.text.sentence_piece import given_tokenizer, train_unigram
from algoperf.data.transfer.download import download
from algoperf.data.transfer.unpacking import unpacked
from algoperf.datasets.librispeech import miniature, raw
from algoperf.datasets.librispeech.batches import TOKENIZER, OpenLibriSpeech
from algoperf.datasets.librispeech.utterances import SHARD_BYTES, Chapters, Limits, shards
from algoperf.system import usable_cores


@dataclass(frozen=True)
class LibriSpeech:
    """LibriSpeech as a dataset.

    Attributes:
      num_samples, num_tokens: room in a batch per utterance; longer recordings are skipped.
      vocab_size: number of tokens; class 0, the unknown one, is the blank of the loss too.
      num_utterances: of each subset, before any are skipped.
      shard_bytes: approximate size of the files of the store.
    """

    num_samples: int = 320_000
    num_tokens: int = 256
    vocab_size: int = 1024
    num_utterances: Mapping[str, int] = field(default_factory=lambda: raw.NUM_UTTERANCES)
    shard_bytes: int = SHARD_BYTES
    name: str = "librispeech"

    @property
    def input_stats(self) -> None:
        """Samples are not normalised; features are, in the model."""
        return None

    @property
    def num_classes(self) -> int:
        """The tokens."""
        return self.vocab_size

    @property
    def _limits(self) -> Limits:
        return Limits(self.num_samples, self.num_tokens)

    def example_batch(self) -> Batch:
        """One utterance that fills a batch's row."""
        samples, tokens = np.zeros((1, self.num_samples), np.int16), np.zeros((1, self.num_tokens), np.int16)
        return {
            "inputs": Padded(samples, np.array([self.num_samples], np.int32), np.float32),
            "targets": Padded(tokens, np.array([self.num_tokens], np.int32), np.float32),
        }

    def download(self, raw_dir: Path) -> None:
        """Fetch six archives, 61 GB."""
        download(raw.ARCHIVES, raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write archives of the same names and layout, full of synthetic speech."""
        miniature.write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: samples, tokens and the tokenizer. Resumes an interrupted call."""
        if store_exists(data_dir):
            return
        with unpacked(raw.archives(raw_dir), data_dir) as folder:
            chapters = {
                subset: raw.read_chapters(folder, subset, self.num_utterances[subset])
                for subsets in raw.SUBSETS.values()
                for subset in subsets
            }
            model = self._tokenizer(raw_dir, chapters[raw.TOKENIZER_SUBSET])
            splits: dict[str, Sequence[Chapters]] = {
                split: shards(
                    [c for subset in subsets for c in chapters[subset]], model, self._limits, self.shard_bytes
                )
                for split, subsets in raw.SUBSETS.items()
            }
            build(
                data_dir, dataset=self.name, splits=splits, form=RECORDS, num_processes=usable_cores(),
                other_files={TOKENIZER: model},
            )  # fmt: skip

    def open(self, data_dir: Path) -> OpenLibriSpeech:
        """Batches of padded `inputs`, samples int16 (B, num_samples), and `targets`, tokens int16 (B, num_tokens)."""
        return OpenLibriSpeech(data_dir, self._limits)

    def _tokenizer(self, raw_dir: Path, chapters: list[raw.Chapter]) -> bytes:
        """The model in the raw folder if there is one, else one trained on the transcripts, in their order."""
        given = given_tokenizer(raw_dir / TOKENIZER, self.vocab_size)
        if given is not None:
            return given
        return train_unigram((text for chapter in chapters for text in chapter.texts.values()), self.vocab_size)


# After skipping. As published, an evaluation draws `eval_train` of them from `train`: 21 batches of 256.
NUM_EXAMPLES = {"train": 263_840, "eval_train": 5_376, "validation": 5_348, "test": 2_472}
NUM_EXAMPLES_MINI = {"train": 2_000, "eval_train": 250, "validation": 250, "test": 250}
LIBRISPEECH = LibriSpeech()
LIBRISPEECH_MINI = LibriSpeech(
    num_samples=miniature.NUM_SAMPLES,
    num_tokens=miniature.NUM_TOKENS,
    vocab_size=miniature.VOCAB_SIZE,
    num_utterances=miniature.NUM_UTTERANCES,
)
