"""Sentences of a few words, packed into rows of one length, and the words themselves in a file of the store."""

from __future__ import annotations

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.contracts import Batch
from algoperf.data.store.store import Store
from generated_dataset import GeneratedDataset, Rows

LENGTH = 12
WORDS = ("-", ".", "the", "quick", "fox", "a", "lazy", "did", "some", "sleep")
WORDS_FILE = "words.txt"
# The word that follows each word of a sentence; sentences begin with any word from `the` on.
_FOLLOWING = np.array([0, 0, 3, 4, 9, 6, 4, 2, 6, 1], np.uint16)


class OpenTokens(StoredArrays):
    """Batches, and the words that tokens stand for."""

    def __init__(self, store: Store, finish) -> None:
        super().__init__(store, finish)
        self.words = store.read_file(WORDS_FILE).decode().split("\n")


class TokensDataset(GeneratedDataset):
    """`inputs` uint16 (B, 12); `targets` int32, the next words; `weights`, 1 where the same sentence goes on."""

    name = "probe_tokens"
    files = {WORDS_FILE: "\n".join(WORDS).encode()}

    def generate(self, rng: np.random.Generator, num_examples: int) -> Rows:
        tokens, sentences = np.zeros((num_examples, LENGTH), np.uint16), np.zeros((num_examples, LENGTH), np.uint8)
        for row, numbers in zip(tokens, sentences, strict=True):
            end, number = 0, 1
            while end + len(sentence := _sentence(rng)) <= LENGTH:
                row[end : end + len(sentence)], numbers[end : end + len(sentence)] = sentence, number
                end, number = end + len(sentence), number + 1
        return {"tokens": tokens, "sentences": sentences}

    def finish(self, rows: Rows) -> Batch:
        tokens, sentences = (np.pad(rows[name], ((0, 0), (0, 1))) for name in ("tokens", "sentences"))
        goes_on = (sentences[:, 1:] == sentences[:, :-1]) & (sentences[:, 1:] > 0)
        return {
            "inputs": rows["tokens"],
            "targets": (tokens[:, 1:] * goes_on).astype(np.int32),
            "weights": goes_on.astype(np.float32),
        }

    def opened(self, store: Store) -> StoredArrays:
        return OpenTokens(store, self.finish)


def _sentence(rng: np.random.Generator) -> list[int]:
    sentence = [int(rng.integers(2, len(WORDS)))]
    while sentence[-1] != WORDS.index("."):
        sentence.append(int(_FOLLOWING[sentence[-1]]))
    return sentence
