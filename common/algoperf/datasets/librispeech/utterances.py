"""Chapters as units of work: decodes recordings, tokenises transcripts, and skips what is too long.

A record holds the target tokens of one utterance, then its samples, all in 16 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.audio.log_mel import SAMPLE_RATE
from algoperf.data.store.record_units import Record
from algoperf.data.text.sentence_piece import Tokenizer
from algoperf.datasets.librispeech.raw import Chapter
from algoperf.errors import DataError

SHARD_BYTES = 1 << 30
MOST_CHARACTERS = 256
_GROWTH = 1.8  # samples are larger than their FLAC file by about this factor
_MD5 = slice(26, 42)  # where the first block of a FLAC file has the MD5 of its samples


@dataclass(frozen=True)
class Limits:
    """Longer utterances are skipped, as published.

    Attributes:
      num_samples: of the recording.
      num_tokens: of the targets, including the end; more are an error, because no transcript should need them.
    """

    num_samples: int
    num_tokens: int


@dataclass(frozen=True)
class Chapters:
    """The chapters of one shard.

    Attributes:
      chapters: what to read.
      tokenizer: the model.
      limits: what to skip.
    """

    chapters: tuple[Chapter, ...]
    tokenizer: bytes
    limits: Limits

    @property
    def num_bytes(self) -> int:
        """Approximate size of the shard."""
        return int(_GROWTH * sum(chapter.num_bytes for chapter in self.chapters))

    @property
    def identity(self) -> str:
        """The chapters, and what they are turned into."""
        names = ",".join(f"{chapter.subset}/{chapter.folder.name}:{chapter.num_bytes}" for chapter in self.chapters)
        digest = hashlib.sha256(names.encode() + self.tokenizer).hexdigest()
        return f"{self.chapters[0].subset} {self.chapters[0].folder.name} {digest} {self.limits}"

    def records(self) -> Iterator[Record]:
        """Yield the utterances that are not too long."""
        tokenizer = Tokenizer(self.tokenizer)
        for chapter in self.chapters:
            for utterance, text in chapter.texts.items():
                path = chapter.recording(utterance)
                samples = read_flac(path)
                if len(text) > MOST_CHARACTERS or len(samples) > self.limits.num_samples:
                    continue
                tokens = tokenizer.encode(text)
                if len(tokens) > self.limits.num_tokens:
                    raise DataError(
                        f"The transcript of {path} has {len(tokens)} tokens, but batches have room for "
                        f"{self.limits.num_tokens}. Use another tokenizer."
                    )
                data = np.array(tokens, np.int16).tobytes() + samples.tobytes()
                yield Record(f"{chapter.subset}/{utterance}", data, {"num_tokens": np.uint16(len(tokens))})


def read_flac(path: Path) -> np.ndarray:
    """The samples of a recording, int16 (N,). DataError if it is damaged, or not 16-bit mono at 16 kHz."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            form = (file.format, file.subtype, file.channels, file.samplerate)
            samples: np.ndarray = file.read(dtype="int16")
    except (soundfile.LibsndfileError, OSError) as error:
        raise _damaged(path, str(error)) from error
    if form != ("FLAC", "PCM_16", 1, SAMPLE_RATE):
        raise _damaged(path, f"it holds {form}, expected FLAC, 16 bits, 1 channel, {SAMPLE_RATE} Hz")
    with path.open("rb") as file:
        expected = file.read(_MD5.stop)[_MD5]
    if not len(samples) or hashlib.md5(samples.tobytes(), usedforsecurity=False).digest() != expected:
        raise _damaged(path, f"its {len(samples)} samples are not those that were recorded (MD5 differs)")
    return samples


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} is damaged: {what}. Delete its archive and the unpacked files, and download it again.")


def shards(chapters: Sequence[Chapter], tokenizer: bytes, limits: Limits, shard_bytes: int) -> list[Chapters]:
    """Consecutive chapters as units, each just reaching `shard_bytes`."""
    units: list[Chapters] = []
    group: list[Chapter] = []
    for chapter in chapters:
        group.append(chapter)
        unit = Chapters(tuple(group), tokenizer, limits)
        if unit.num_bytes >= shard_bytes or chapter is chapters[-1]:
            units.append(unit)
            group = []
    return units
