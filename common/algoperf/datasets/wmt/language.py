"""Two invented languages with a grammar: what is said in one can be said in the other, in exactly one way.

The first has the verb at the end and adverbs in front. In both, articles and verbs agree with the number of nouns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

_NUM_NOUNS, _NUM_ADJECTIVES, _NUM_VERBS, _NUM_ADVERBS = 12, 6, 8, 4
_ADJECTIVE_SHARE, _ADVERB_SHARE, _PLURAL_SHARE = 0.4, 0.5, 0.5
_SOUNDS = (("bdfgklmnprstvw", "aeiou", "chlnrst"), ("bcdfghlmnprstw", "aeioy", "dklmnpt"))
_ARTICLES, _NOUN_ENDINGS, _VERB_ENDINGS = (
    (("der", "die"), ("the", "some")),
    (("", "en"), ("", "s")),
    (("t", ""), ("s", "")),
)
Phrase = tuple[int, int | None, int]  # noun, adjective, and whether it is plural


@dataclass(frozen=True)
class Languages:
    """The words of both languages: nouns, adjectives, verbs and adverbs, (kind, language, number)."""

    words: tuple[tuple[list[str], list[str]], ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Invent words, all different."""
        counts = (_NUM_NOUNS, _NUM_ADJECTIVES, _NUM_VERBS, _NUM_ADVERBS)
        taken: set[str] = set()
        kinds = []
        for count in counts:
            kinds.append(tuple(_words(rng, sounds, count, taken) for sounds in _SOUNDS))
        return cls(tuple(kinds))  # type: ignore[arg-type]

    def pair(self, rng: np.random.Generator) -> tuple[str, str]:
        """One sentence in both languages."""
        subject, other = self._phrase(rng), self._phrase(rng)
        verb = int(rng.integers(_NUM_VERBS))
        adverb = int(rng.integers(_NUM_ADVERBS)) if rng.random() < _ADVERB_SHARE else None
        sentences = []
        for language in range(2):
            said = self.words[2][language][verb] + _VERB_ENDINGS[language][subject[2]]
            more = [] if adverb is None else [self.words[3][language][adverb]]
            first, second = (self._say(phrase, language) for phrase in (subject, other))
            words = [*first, said, *second, *more] if language else [*more, *first, *second, said]
            sentences.append(" ".join(words) + ".")
        return sentences[0], sentences[1]

    def _phrase(self, rng: np.random.Generator) -> Phrase:
        adjective = int(rng.integers(_NUM_ADJECTIVES)) if rng.random() < _ADJECTIVE_SHARE else None
        return int(rng.integers(_NUM_NOUNS)), adjective, int(rng.random() < _PLURAL_SHARE)

    def _say(self, phrase: Phrase, language: int) -> list[str]:
        noun, adjective, number = phrase
        middle = [] if adjective is None else [self.words[1][language][adjective]]
        return [_ARTICLES[language][number], *middle, self.words[0][language][noun] + _NOUN_ENDINGS[language][number]]


def _words(rng: np.random.Generator, sounds: tuple[str, str, str], count: int, taken: set[str]) -> list[str]:
    """Words of two syllables that are not taken yet; takes them."""
    words: list[str] = []
    while len(words) < count:
        first, vowel, last = (list(part) for part in sounds)
        word = "".join(rng.choice(part) for part in (first, vowel, first, vowel, last))
        if word not in taken:
            taken.add(word)
            words.append(word)
    return words
