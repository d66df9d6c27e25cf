"""Synthetic speech: every letter is a sound of four tones, spoken by voices that differ in pitch, pace and noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from algoperf.data.audio.log_mel import SAMPLE_RATE

VOWELS, CONSONANTS = "AEIOU", "BDFKLMNST"
_HERTZ = (300, 500, 800, 1200, 1800, 2600, 3700, 5200)
# Which of the eight tones a letter has: four, and any two letters share two or none, so that a letter can be told when
# some frequencies are masked. These are the words of weight four of the extended Hamming code.
_CODE = (0x0F, 0x33, 0x3C, 0x55, 0x5A, 0x66, 0x69, 0x96, 0x99, 0xA5, 0xAA, 0xC3, 0xCC, 0xF0)
_LETTER_SEC, _PAUSE_SEC, _EDGE_SEC = 0.055, 0.03, 0.01
_PITCH, _PACE = (0.9, 1.12), (0.85, 1.2)
_LOUDNESS, _NOISE = (1500.0, 4000.0), (20.0, 80.0)  # of 16-bit samples
_TONES = {
    letter: [hertz for place, hertz in enumerate(_HERTZ) if word >> place & 1]
    for letter, word in zip(VOWELS + CONSONANTS, _CODE, strict=True)
}


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Attributes:
      pitch: factor of all frequencies.
      pace: factor of all durations.
    """

    pitch: float
    pace: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Another speaker."""
        return cls(float(rng.uniform(*_PITCH)), float(rng.uniform(*_PACE)))

    def say(self, text: str, rng: np.random.Generator) -> np.ndarray:
        """Speak a text: samples int16 (N,). Characters that are no letters are silent; blanks are pauses."""
        pieces = [self._silence(_PAUSE_SEC * rng.uniform(0.5, 1.5))]
        for character in text:
            if character in _TONES:
                pieces.append(self._letter(_TONES[character], rng))
            elif character == " ":
                pieces.append(self._silence(_PAUSE_SEC * rng.uniform(0.5, 1.5)))
        sound = np.concatenate([*pieces, pieces[0]])
        noise = rng.normal(size=len(sound), scale=rng.uniform(*_NOISE))
        return (rng.uniform(*_LOUDNESS) * sound + noise).round().astype(np.int16)

    def _silence(self, seconds: float) -> np.ndarray:
        return np.zeros(int(SAMPLE_RATE * seconds * self.pace))

    def _letter(self, tones: Iterable[float], rng: np.random.Generator) -> np.ndarray:
        num_samples = int(SAMPLE_RATE * _LETTER_SEC * self.pace * rng.uniform(0.85, 1.15))
        times = np.arange(num_samples) / SAMPLE_RATE
        edge = np.minimum(times, times[::-1]) / _EDGE_SEC
        phases = (2 * np.pi * (self.pitch * tone * times + rng.random()) for tone in tones)
        wave: np.ndarray = np.mean([np.sin(phase) for phase in phases], axis=0) * edge.clip(0, 1)
        return wave


def draw_words(rng: np.random.Generator, count: int) -> list[str]:
    """Different words of one or two syllables; the last has an apostrophe."""
    words: dict[str, None] = {}
    while len(words) < count - 1:
        syllables = [rng.choice(list(CONSONANTS)) + rng.choice(list(VOWELS)) for _ in range(rng.integers(1, 3))]
        words["".join(syllables)] = None
    return [*words, "LI'S"]
