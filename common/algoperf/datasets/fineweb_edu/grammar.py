"""Generated text: a small grammar with agreement over long distances.

A document is about one person and one thing. The person's pronoun, the number of a subject behind a subordinate clause,
and the thing that the last sentence comes back to follow from words that stand far before them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PEOPLE = {"Anna": "she", "Clara": "she", "Emma": "she", "Bruno": "he", "David": "he", "Felix": "he"}
_POSSESSIVE = {"she": "her", "he": "his"}
_NOUNS = ("lamp", "river", "engine", "garden", "letter", "planet", "teacher", "window")
_ADJECTIVES = ("old", "bright", "quiet", "heavy", "small", "green")
_VERBS = ("find", "move", "paint", "follow", "need", "open")
_PLACES = ("near", "behind", "under")
_OTHERS = ("the", "that", "and", "again", "because", "later")


def words() -> list[str]:
    """All words of the grammar."""
    nouns = [form for noun in _NOUNS for form in (noun, f"{noun}s")]
    verbs = [form for verb in _VERBS for form in (verb, f"{verb}s")]
    return [*_PEOPLE, *_POSSESSIVE, *_POSSESSIVE.values(), *nouns, *_ADJECTIVES, *verbs, *_PLACES, *_OTHERS]


def document(rng: np.random.Generator) -> str:
    """A text of four to eight sentences."""
    person, noun, adjective = _pick(rng, tuple(_PEOPLE)), _pick(rng, _NOUNS), _pick(rng, _ADJECTIVES)
    pronoun = _PEOPLE[person]
    opening = f"{person} {_pick(rng, _VERBS)}s the {adjective} {noun}."
    middle = [_sentence(rng, pronoun) for _ in range(rng.integers(2, 6, endpoint=True))]
    closing = f"later {person} {_pick(rng, _VERBS)}s {_POSSESSIVE[pronoun]} {adjective} {noun} again."
    return " ".join([opening, *middle, closing])


def _sentence(rng: np.random.Generator, pronoun: str) -> str:
    """About the person, or about other things, whose verb agrees with a noun behind which others stand."""
    if rng.random() < 0.4:
        reason = f" because {pronoun} {_pick(rng, _VERBS)}s the {_pick(rng, _NOUNS)}" if rng.random() < 0.5 else ""
        return f"{pronoun} {_pick(rng, _VERBS)}s {_POSSESSIVE[pronoun]} {_pick(rng, _NOUNS)}{reason}."
    is_plural, others_plural = rng.random(2) < 0.5
    subject = f"the {_pick(rng, _ADJECTIVES)} {_noun(rng, is_plural)}"
    clause = f"that {pronoun} {_pick(rng, _VERBS)}s {_pick(rng, _PLACES)} the {_noun(rng, others_plural)}"
    verb = _pick(rng, _VERBS) + ("" if is_plural else "s")
    return f"{subject} {clause} {verb} the {_noun(rng, rng.random() < 0.5)}."


def _noun(rng: np.random.Generator, is_plural: bool) -> str:
    return _pick(rng, _NOUNS) + ("s" if is_plural else "")


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
