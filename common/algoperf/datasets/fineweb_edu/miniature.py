"""A small stand-in for FineWeb-Edu: parquet files of the original columns, and a tokenizer of few tokens.

One document is empty, and one has the end of a text inside.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Split
from algoperf.data.text.byte_pairs import END_OF_TEXT
from algoperf.datasets.archives import write_archives
from algoperf.datasets.fineweb_edu import grammar
from algoperf.datasets.fineweb_edu.raw import parquet_name

NUM_FILES = 3
NUM_DOCUMENTS = 3_000
NUM_SEQUENCES: Mapping[Split, int] = {"train": 2_500, "validation": 250}
LENGTH = 64
_GROUP_ROWS = 250
_EMPTY, _WITH_END = 7, 11  # places in every file


def _byte_letters() -> dict[int, str]:
    """The letter that stands for a byte in the files of a tokenizer, in the order of the bytes' ids."""
    visible = [byte for byte in range(256) if chr(byte).isprintable() and byte != ord(" ")]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _merges() -> list[tuple[str, str]]:
    """Pairs that build the grammar's words, with the blank before them, letter by letter."""
    blank = _byte_letters()[ord(" ")]
    pairs = [(blank + word[:end], word[end]) for word in sorted(grammar.words()) for end in range(len(word))]
    return list(dict.fromkeys(pairs))


VOCAB_SIZE = 256 + len(_merges()) + 1


def write_miniature(raw_dir: Path) -> None:
    """Write parquet files and the tokenizer's two. UserError if other files have their names."""
    tokens = [*_byte_letters().values(), *(first + second for first, second in _merges()), END_OF_TEXT]
    merges = "".join(f"{first} {second}\n" for first, second in _merges())
    contents = {
        "vocab.bpe": f"#version: 0.2\n{merges}".encode(),
        "encoder.json": json.dumps({token: number for number, token in enumerate(tokens)}).encode(),
    }
    write_archives(raw_dir, contents | {parquet_name(number): _parquet(number) for number in range(NUM_FILES)})


def _parquet(number: int) -> bytes:
    """A file of documents."""
    rng = keyed_generator("fineweb_edu miniature", number)
    texts = [grammar.document(rng) for _ in range(NUM_DOCUMENTS // NUM_FILES)]
    texts[_EMPTY] = ""
    texts[_WITH_END] = END_OF_TEXT.join(texts[_WITH_END].split(". "))
    return parquet_of(texts)


def parquet_of(texts: list[str], group_rows: int = _GROUP_ROWS) -> bytes:
    """A parquet file of documents, with the columns of the real ones, in groups of rows."""
    import pyarrow
    import pyarrow.parquet

    count = len(texts)
    scores = pyarrow.array([3.0] * count)
    table = pyarrow.table(
        {
            "text": texts,
            "id": [f"<urn:uuid:{place:08x}>" for place in range(count)],
            "dump": ["CC-MINI-2026-01"] * count,
            "url": [f"https://example.org/{place}" for place in range(count)],
            "file_path": ["s3://example/segment.warc.gz"] * count,
            "language": ["en"] * count,
            "language_score": scores,
            "token_count": [len(text.split()) for text in texts],
            "score": scores,
            "int_score": [3] * count,
        }
    )
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, row_group_size=group_rows, compression="snappy")
    return buffer.getvalue()
