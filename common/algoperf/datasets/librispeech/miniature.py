"""A small stand-in for LibriSpeech: archives of the original layout, with synthetic speech.

Two utterances of the training data are too long, one as a recording and one as a text, and are skipped.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf.data.audio.log_mel import SAMPLE_RATE
from algoperf.data.batches.seeding import keyed_generator
from algoperf.datasets.archives import tar_of, write_archives
from algoperf.datasets.librispeech.raw import archive_name
from algoperf.datasets.librispeech.utterances import MOST_CHARACTERS
from algoperf.datasets.librispeech.voice import Voice, draw_words

NUM_UTTERANCES = {
    "train-clean-100": 1_000,
    "train-clean-360": 600,
    "train-other-500": 402,
    "dev-clean": 125,
    "dev-other": 125,
    "test-clean": 250,
}
NUM_SAMPLES = 8_000  # in a row of a batch: half a second
NUM_TOKENS = 16
VOCAB_SIZE = 24
_NUM_WORDS = 10
_WORDS_PER_UTTERANCE = 2
_UTTERANCES_PER_CHAPTER = 25
_TOO_LONG = "train-other-500"  # the subset with the utterances that are skipped
_FIRST_SPEAKER = {subset: 1_000 * number for number, subset in enumerate(NUM_UTTERANCES, start=1)}
_COMPRESSION = 1  # recordings are compressed already


def write_miniature(raw_dir: Path) -> None:
    """Write the six archives. UserError if other files have their names."""
    write_archives(raw_dir, {archive_name(subset): _archive(subset) for subset in NUM_UTTERANCES})


def _archive(subset: str) -> bytes:
    """A compressed tar of all chapters."""
    members: dict[str, bytes] = {}
    for number, utterances in enumerate(_chapters(subset)):
        speaker, chapter = _FIRST_SPEAKER[subset] + number, 100_000 + 7 * number
        folder, name = f"LibriSpeech/{subset}/{speaker}/{chapter}", f"{speaker}-{chapter}"
        lines = []
        for place, (text, samples) in enumerate(utterances):
            members[f"{folder}/{name}-{place:04d}.flac"] = flac_of(samples)
            lines.append(f"{name}-{place:04d} {text}\n")
        members[f"{folder}/{name}.trans.txt"] = "".join(lines).encode()
    return gzip.compress(tar_of(members), _COMPRESSION, mtime=0)


def _chapters(subset: str) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Texts and recordings, chapter by chapter; each has a voice of its own."""
    words = draw_words(keyed_generator("librispeech miniature", "words"), _NUM_WORDS)
    left = NUM_UTTERANCES[subset]
    number = 0
    while left:
        rng = keyed_generator("librispeech miniature", subset, number)
        voice = Voice.draw(rng)
        utterances = [_utterance(words, voice, rng) for _ in range(min(left, _UTTERANCES_PER_CHAPTER))]
        if subset == _TOO_LONG and number == 0:
            text, samples = utterances[0]
            utterances[0] = text, np.resize(samples, NUM_SAMPLES + 1)
            utterances[1] = " ".join([text] * MOST_CHARACTERS)[: MOST_CHARACTERS + 1], samples
        yield utterances
        left -= len(utterances)
        number += 1


def _utterance(words: list[str], voice: Voice, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A text of a few words that fits, and its recording."""
    while True:
        text = " ".join(rng.choice(words, size=rng.integers(1, _WORDS_PER_UTTERANCE, endpoint=True)))
        samples = voice.say(text, rng)
        if len(samples) <= NUM_SAMPLES:
            return text, samples


def flac_of(samples: np.ndarray) -> bytes:
    """A FLAC file of 16-bit samples."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
