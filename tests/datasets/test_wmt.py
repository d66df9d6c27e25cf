"""WMT: from archives in the published formats to the store, and damaged, missing and surplus files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.store.store import Store
from algoperf.data.text.sentence_piece import Tokenizer, train_unigram
from algoperf.data.transfer.unpacking import unpacked
from algoperf.datasets.archives import tar_of
from algoperf.datasets.wmt import raw, sentences
from algoperf.datasets.wmt.batches import TOKENIZER, Streams
from algoperf.datasets.wmt.dataset import WMTNews
from algoperf.datasets.wmt.miniature import lines_of, markup_of
from algoperf.datasets.wmt.published_order import hash_order, read_order
from algoperf.datasets.wmt.sentences import Sentences, first_lines
from algoperf.errors import AlgoperfError, DataError, UserError

VOCAB_SIZE = 36
WORDS = [
    ("Haus", "house"),
    ("Baum", "tree"),
    ("Hund", "dog"),
    ("See\u2028", "sea\r"),
    ("groß &amp; alt", "tall &lt; old"),
]
EMPTY = {1: 0, 4: 1}  # pairs of every corpus with an empty side
COUNT = 7
CORPORA = {corpus.name: corpus for corpora in raw.CORPORA.values() for corpus in corpora}


def text_of(corpus: str, number: int) -> tuple[str, str]:
    """A pair of sentences; two of the words hold separators that end no line."""
    chosen = [WORDS[(len(corpus) * number + place * place + number) % len(WORDS)] for place in range(1 + number % 4)]
    pair = [" ".join(words) + f" {number}" for words in zip(*chosen, strict=True)]
    if number in EMPTY:
        pair[EMPTY[number]] = ""
    return pair[0], pair[1]


def members(corpus: raw.Corpus) -> dict[str, bytes]:
    """The two files of a corpus. Plain text ends with a line feed, or does not."""
    found = {}
    for path, texts in zip((corpus.german, corpus.english), zip(*kept(corpus), strict=True), strict=True):
        found[path] = markup_of(texts) if path.endswith(".sgm") else lines_of(texts)
        if corpus.name == "commoncrawl":
            found[path] = found[path].removesuffix(b"\n")
    return found


def kept(corpus: raw.Corpus) -> list[tuple[str, str]]:
    return [text_of(corpus.name, number) for number in range(COUNT)]


def write(raw_dir: Path, changed: dict[str, bytes] | None = None, without: str = "") -> Path:
    """All archives; `changed` replaces files by their paths in archives, and `without` leaves one out."""
    contents: dict[str, dict[str, bytes]] = {file.name: {} for file in raw.ARCHIVES}
    for corpus in CORPORA.values():
        contents[corpus.archive] |= members(corpus)
    raw_dir.mkdir()
    for name, files in contents.items():
        written = {path: (changed or {}).get(path, content) for path, content in files.items() if path != without}
        (raw_dir / name).write_bytes(gzip.compress(tar_of(written), 1, mtime=0))
    return raw_dir


def dataset(**changes) -> WMTNews:
    counts = {split: (COUNT - len(EMPTY)) * len(corpora) for split, corpora in raw.CORPORA.items()}
    return WMTNews(num_tokens=16, vocab_size=VOCAB_SIZE, **{"num_pairs": counts, "shard_bytes": 100, **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store of the archives as they should be."""
    folder = tmp_path_factory.mktemp("wmt")
    dataset().preprocess(write(folder / "raw"), folder / "store")
    assert sorted(path.name for path in folder.iterdir()) == ["raw", "store"], "what was unpacked is removed"
    return folder / "store"


def expected_order(split: str) -> list[tuple[str, str]]:
    """Pairs in the order of the published pipeline, step by step."""
    names = [
        (f"{corpus.name}/0/{number}", pair)
        for corpus in raw.CORPORA[split]
        for number, pair in enumerate(kept(corpus))
        if all(pair)
    ]
    pairs = [pair for _, pair in sorted(names, key=lambda named: hashlib.md5((split + named[0]).encode()).digest())]
    if split != "train":
        return pairs
    bounds = [round(len(pairs) * shard / 16) for shard in range(17)]
    shards = [pairs[bounds[shard] : bounds[shard + 1]] for shard in range(16)]
    order = []
    while any(shards):
        order += [pair for shard in shards for pair in shard[:16]]
        shards = [shard[16:] for shard in shards]
    return order


def test_tokens_of_every_pair(made):
    """In the published order. Only line feeds end lines, and markup is not resolved."""
    store = Store.open(made)
    tokenizer = Tokenizer(store.read_file(TOKENIZER))
    for split in raw.CORPORA:
        streams, pairs = Streams(store, split), expected_order(split)
        assert streams.lengths.shape == (2, len(pairs))
        for row, pair in enumerate(pairs):
            for side, text in enumerate(pair):
                found = streams.take(np.array([row]), side, streams.lengths[side, [row]])
                assert found.tolist() == tokenizer.encode(text)
                assert streams.known[side, row] == np.count_nonzero(found)
    assert len(list((made / "train").glob("shard_*"))) > 3
    several = Streams(store, "train")
    rows = np.arange(several.lengths.shape[1])[::-1]
    parts = [several.take(rows[[place]], 1, several.lengths[1, rows[[place]]]) for place in range(len(rows))]
    np.testing.assert_array_equal(several.take(rows, 1, several.lengths[1, rows]), np.concatenate(parts))


def test_tokenizer_is_trained_on_the_beginning(made, tmp_path):
    """German and English in turns, until there are enough bytes; or one is given."""
    lines = [text for pair in expected_order("train") for text in pair]
    expected = Store.open(made).read_file(TOKENIZER)
    assert train_unigram(lines, VOCAB_SIZE) == expected
    raw_dir = write(tmp_path / "raw")
    with unpacked(raw.archives(raw_dir), tmp_path / "other") as folder:
        corpora = [raw.read_pairs(folder, corpus) for corpus in raw.CORPORA["train"]]
        names = [f"{pairs.corpus.name}/0/{number}" for pairs in corpora for number in pairs.numbers]
        order = hash_order(names, "train")
        order = order[read_order(len(order))]
        enough = sum(len(line.encode()) + 1 for line in lines[:6])
        assert list(first_lines(corpora, order, enough)) == lines[:6]
        assert list(first_lines(corpora, order, enough + 1)) == lines[:8]
    (raw_dir / TOKENIZER).write_bytes(train_unigram(lines[:30], 34))
    with pytest.raises(DataError, match="has 34 pieces, but the model has 36 classes"):
        dataset().preprocess(raw_dir, tmp_path / "store")


@pytest.mark.parametrize("count", [1, 16, 255, 4097])
def test_read_order(count):
    """Sixteen examples of each of sixteen shards in turn."""
    shards = np.split(np.arange(count), [round(count * shard / 16) for shard in range(1, 16)])
    expected = []
    for start in range(0, count, 16):
        expected += [number for shard in shards for number in shard[start : start + 16]]
    assert read_order(count).tolist() == expected


def test_an_interrupted_call_goes_on(made, tmp_path, monkeypatch):
    raw_dir = write(tmp_path / "raw")
    tokenised, true_records = [], Sentences.records

    def records(self):
        tokenised.append(self.identity)
        if len(tokenised) == 4:
            raise KeyboardInterrupt
        return true_records(self)

    monkeypatch.setattr(sentences.Sentences, "records", records)
    with pytest.raises(KeyboardInterrupt):
        dataset().preprocess(raw_dir, tmp_path / "store")
    dataset().preprocess(raw_dir, tmp_path / "store")
    assert len(tokenised) == len(set(tokenised)) + 1, "finished shards are kept"
    assert Store.open(tmp_path / "store").hash == Store.open(made).hash


PLAIN, MARKUP = CORPORA["europarl_v7"], CORPORA["newstest2014"]
DAMAGED = {
    "a line less": ({PLAIN.german: lines_of(("a", "b"))}, r"europarl-v7.de-en.de has 3 sentences, but .*en.en has 8"),
    "broken UTF-8": ({PLAIN.english: members(PLAIN)[PLAIN.english].replace(b"0\n", b"\xff\n", 1)},
                     r"europarl-v7.de-en.en is not UTF-8 at byte \d+: invalid start byte"),
    "a sentence less in SGML": ({MARKUP.german: markup_of(("a", "b"))}, "has 2 sentences, but"),
    "no markup": ({MARKUP.english: b"<doc>\n"}, "has 7 sentences, but .* has 0"),
    "empty files": ({PLAIN.german: b"", PLAIN.english: b""}, "has 15 pairs of sentences for the split 'train'"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files(tmp_path, damage):
    """A sentence names the file, and there is no store."""
    changed, message = DAMAGED[damage]
    with pytest.raises(DataError, match=message):
        dataset().preprocess(write(tmp_path / "raw", changed), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_missing_files(tmp_path):
    with pytest.raises(
        DataError, match=r"rapid2016.de-en.en cannot be read: No such file or directory. Delete rapid2016"
    ):
        dataset().preprocess(write(tmp_path / "raw", without="rapid2016.de-en.en"), tmp_path / "store")
    raw_dir = write(tmp_path / "other")
    (raw_dir / raw.DEV).unlink()
    with pytest.raises(DataError, match=r"dev\.tgz is not there"):
        dataset().preprocess(raw_dir, tmp_path / "store")
    (raw_dir / raw.DEV).write_bytes((raw_dir / raw.CRAWL).read_bytes()[:-9])
    with pytest.raises(DataError, match=r"dev\.tgz cannot be unpacked"):
        dataset().preprocess(raw_dir, tmp_path / "store")


def test_surplus_files_do_not_matter(made, tmp_path):
    """Archives hold other languages too; they lie beside what is read."""
    raw_dir = write(tmp_path / "raw")
    (raw_dir / "notes.txt").write_text("mine")
    content = members(CORPORA["rapid_2016"]) | {"rapid2016.en-fi.fi": b"x\n", "._rapid2016.de-en.de": b"junk"}
    (raw_dir / raw.RAPID).write_bytes(gzip.compress(tar_of(content), 1, mtime=0))
    dataset().preprocess(raw_dir, tmp_path / "store")
    assert Store.open(tmp_path / "store").hash == Store.open(made).hash


def test_miniature_does_not_overwrite(tmp_path):
    dataset().miniature(tmp_path / "raw")
    dataset().miniature(tmp_path / "raw")
    (tmp_path / "raw" / raw.DEV).write_bytes(b"a real download")
    with pytest.raises(UserError, match=r"dev.tgz holds something else"):
        dataset().miniature(tmp_path / "raw")


def test_another_scale_is_noticed(tmp_path):
    with pytest.raises(AlgoperfError, match="has 20 pairs of sentences for the split 'train', which has 5906184"):
        dataset(num_pairs=raw.NUM_PAIRS).preprocess(write(tmp_path / "raw"), tmp_path / "store")
