"""The raw files of WMT's news translation tasks (Bojar et al., 2014 and 2017), German and English.

Two forms: a sentence per line in a file for each language, and SGML, whose `seg` elements are sentences. Sentences with
the same number belong together; if one of them is empty, the pair is left out, as published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Split
from algoperf.data.transfer.download import RemoteFile
from algoperf.errors import DataError

_MODERN, _OLD = "http://data.statmt.org/", "http://www.statmt.org/wmt13/"
GROWTH = 4  # archives also hold other languages; text is compressed to a quarter
_SEGMENT = re.compile(rb'<seg id="\d+">(.*)</seg>')  # as a line; the files are not well-formed everywhere


@dataclass(frozen=True)
class Corpus:
    """One source of sentence pairs.

    Attributes:
      name: as in the names of examples, whose hashes decide their order.
      archive: file name.
      german, english: paths in it.
    """

    name: str
    archive: str
    german: str
    english: str


EUROPARL, CRAWL = "training-parallel-europarl-v7.tgz", "training-parallel-commoncrawl.tgz"
COMMENTARY, RAPID, DEV = "training-parallel-nc-v12.tgz", "rapid2016.tgz", "dev.tgz"
ARCHIVES = (
    RemoteFile(_OLD + EUROPARL, EUROPARL, 657_632_379,
               "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7"),
    RemoteFile(_OLD + CRAWL, CRAWL, 918_311_367, "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5"),
    RemoteFile(_MODERN + "wmt17/translation-task/" + COMMENTARY, COMMENTARY, 168_591_139,
               "2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2"),
    RemoteFile(_MODERN + "wmt18/translation-task/" + RAPID, RAPID, 161_050_516,
               "41557dd5d8f0ed3a6d98bce3b798b1a9d3b68361eb99d902329ddbb943a6b55a"),
    RemoteFile(_MODERN + "wmt19/translation-task/" + DEV, DEV, 38_654_961,
               "7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7"),
)  # fmt: skip
CORPORA: Mapping[Split, tuple[Corpus, ...]] = {
    "train": (
        Corpus("europarl_v7", EUROPARL, "training/europarl-v7.de-en.de", "training/europarl-v7.de-en.en"),
        Corpus("commoncrawl", CRAWL, "commoncrawl.de-en.de", "commoncrawl.de-en.en"),
        Corpus("newscommentary_v12", COMMENTARY, "training/news-commentary-v12.de-en.de",
               "training/news-commentary-v12.de-en.en"),
        Corpus("rapid_2016", RAPID, "rapid2016.de-en.de", "rapid2016.de-en.en"),
    ),
    "validation": (Corpus("newstest2013", DEV, "dev/newstest2013.de", "dev/newstest2013.en"),),
    "test": (
        Corpus("newstest2014", DEV, "dev/newstest2014-deen-src.de.sgm", "dev/newstest2014-deen-ref.en.sgm"),
    ),
}  # fmt: skip
NUM_PAIRS: Mapping[Split, int] = {"train": 5_906_184, "validation": 3_000, "test": 3_003}
"""Pairs of each split, without those that have an empty side."""


def archives(raw_dir: Path) -> dict[str, Path]:
    """The archives by name."""
    return {file.name: raw_dir / file.name for file in ARCHIVES}


@dataclass(frozen=True, eq=False)
class Side:
    """The sentences of one language of a corpus, as places in a file.

    Attributes:
      path: the file.
      starts, ends: int64 (N,), where the sentences are.
    """

    path: Path
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def find(cls, path: Path) -> Side:
        """Find the sentences of a file."""
        content = path.read_bytes()
        if path.suffix == ".sgm":
            matches = [
                (start + found.start(1), start + found.end(1))
                for start, end in zip(*_lines(content), strict=True)
                if (found := _SEGMENT.match(content[start:end]))
            ]
            starts, ends = np.array(matches, np.int64).reshape(-1, 2).T
        else:
            starts, ends = _lines(content)
        return cls(path, starts, ends)

    def part(self, chosen: np.ndarray | slice) -> Side:
        """Some of the sentences."""
        return Side(self.path, self.starts[chosen], self.ends[chosen])

    def text(self, content: bytes, offset: int, number: int) -> str:
        """A sentence, given the bytes of the file from `offset` on. DataError if it is not UTF-8."""
        try:
            return content[self.starts[number] - offset : self.ends[number] - offset].decode()
        except UnicodeDecodeError as error:
            place = int(self.starts[number]) + error.start
            raise DataError(f"{self.path} is not UTF-8 at byte {place}: {error.reason}. Is it damaged?") from error


def _lines(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where lines begin and end. Only line feeds end them: other separators occur within sentences."""
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    return np.append(0, ends + 1), np.append(ends, len(content))


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a corpus.

    Attributes:
      corpus: which one.
      german, english: the sentences, without pairs that have an empty side.
      numbers: int64 (N,): the numbers that the pairs have in the files.
    """

    corpus: Corpus
    german: Side
    english: Side
    numbers: np.ndarray

    @property
    def num_bytes(self) -> np.ndarray:
        """Size of every pair."""
        sides = (self.german, self.english)
        sizes: np.ndarray = sum(side.ends - side.starts for side in sides)
        return sizes

    def part(self, chosen: slice) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.corpus, self.german.part(chosen), self.english.part(chosen), self.numbers[chosen])


def read_pairs(unpacked: Path, corpus: Corpus) -> Pairs:
    """Find the pairs of a corpus. DataError if a file is missing, or the languages differ in numbers of sentences."""
    folder = unpacked / corpus.archive
    remedy = f"Delete {corpus.archive} and {folder}, and run the `download` task again."
    try:
        german, english = Side.find(folder / corpus.german), Side.find(folder / corpus.english)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}. {remedy}") from error
    counts = len(german.starts), len(english.starts)
    if counts[0] != counts[1]:
        raise DataError(
            f"{german.path} has {counts[0]} sentences, but {english.path} has {counts[1]}: they do not belong "
            f"together. {remedy}"
        )
    full = np.flatnonzero((german.ends > german.starts) & (english.ends > english.starts))
    return Pairs(corpus, german.part(full), english.part(full), full)
