"""A small stand-in for WMT's archives: their layout and formats, with sentences of two invented languages.

Of the training pairs, one is too long for a batch, and some more have an empty side and are left out. One sentence to
evaluate has a letter that the tokenizer does not know.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Split
from algoperf.datasets.archives import tar_of, write_archives
from algoperf.datasets.wmt.language import Languages
from algoperf.datasets.wmt.raw import ARCHIVES, CORPORA, Corpus

NUM_PAIRS: Mapping[Split, int] = {"train": 8_000, "validation": 256, "test": 256}
NUM_TOKENS = 32  # in a row of a batch, on each side
VOCAB_SIZE = 96
_EMPTY_EVERY = 250  # pairs
_LONG = "newscommentary_v12"  # the corpus with a pair that is too long


def write_miniature(raw_dir: Path) -> None:
    """Write the five archives. UserError if other files have their names."""
    members: dict[str, dict[str, bytes]] = {file.name: {} for file in ARCHIVES}
    languages = Languages.draw(keyed_generator("wmt miniature", "words"))
    for split, corpora in CORPORA.items():
        for corpus in corpora:
            pairs = _pairs(languages, corpus, split, NUM_PAIRS[split] // len(corpora))
            for path, sentences in zip((corpus.german, corpus.english), zip(*pairs, strict=True), strict=True):
                is_markup = path.endswith(".sgm")
                members[corpus.archive][path] = markup_of(sentences) if is_markup else lines_of(sentences)
    write_archives(raw_dir, {name: gzip.compress(tar_of(content), mtime=0) for name, content in members.items()})


def _pairs(languages: Languages, corpus: Corpus, split: Split, count: int) -> list[tuple[str, str]]:
    """So many pairs, and some with an empty side."""
    rng = keyed_generator("wmt miniature", corpus.name)
    pairs = [languages.pair(rng) for _ in range(count)]
    if corpus.name == _LONG:
        pairs[1] = " ".join([pairs[1][0]] * NUM_TOKENS), pairs[1][1]
    if split != "train":
        pairs[1] = pairs[1][0].replace(".", " \u00df."), pairs[1][1]
        return pairs
    for number in range(0, count, _EMPTY_EVERY):
        pairs.insert(number, ("", pairs[number][1]) if number % 2 else (pairs[number][0], ""))
    return pairs


def lines_of(sentences: tuple[str, ...]) -> bytes:
    """Plain text, a sentence per line."""
    return "".join(f"{sentence}\n" for sentence in sentences).encode()


def markup_of(sentences: tuple[str, ...]) -> bytes:
    """SGML as WMT wrote it: every sentence is an element on a line of its own."""
    segments = [f'<seg id="{number}">{sentence}</seg>' for number, sentence in enumerate(sentences, start=1)]
    lines = ['<srcset setid="mini" srclang="any">', '<doc docid="1" origlang="de">', "<p>", *segments, "</p>", "</doc>"]
    return lines_of((*lines, "</srcset>"))
