"""Tokenises documents, file by file and in any number of processes.

The result is a store with one long array, `tokens`: the ids of each document, and behind them END. The end of a text
cannot mark the end of a document, because its id may stand inside one too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.text.byte_pairs import BytePairTokenizer, Vocabulary
from algoperf.errors import DataError

END = np.uint16(65_535)
SPLIT = "documents"
_COLUMN = "text"
_TEXTS_AT_A_TIME = 1024
_BYTES_PER_BYTE = 0.47  # of tokens per byte of English text: 2 bytes for 4.4 characters


@dataclass(frozen=True)
class TextFile:
    """A parquet file.

    Attributes:
      path: where it is.
      num_bytes: its size.
      group_rows, group_bytes: of each row group, the number of documents, and the bytes of their texts.
    """

    path: Path
    num_bytes: int
    group_rows: Sequence[int]
    group_bytes: Sequence[int]


@dataclass(frozen=True)
class Documents:
    """The documents of one shard: consecutive row groups of a file."""

    path: Path
    file_bytes: int
    groups: range
    text_bytes: int
    vocabulary: Vocabulary

    @property
    def num_bytes(self) -> int:
        """Approximate size of the shard."""
        return int(_BYTES_PER_BYTE * self.text_bytes) + 1

    @property
    def identity(self) -> str:
        """The documents and the tokenizer."""
        return f"{self.path.name}:{self.file_bytes} {self.groups} {self.vocabulary.identity}"

    def rows(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the tokens of some documents at a time, each document with END behind it."""
        tokenizer = BytePairTokenizer(self.vocabulary)
        with _opened(self.path) as file:
            for batch in file.iter_batches(_TEXTS_AT_A_TIME, row_groups=list(self.groups), columns=[_COLUMN]):
                texts = batch.column(0).to_pylist()
                if None in texts:
                    raise DataError(
                        f"{self.path} has a document without a text. Delete the file and download it again."
                    )
                yield {"tokens": stream(tokenizer.encode_all(texts))}


def stream(documents: Sequence[Sequence[int]]) -> np.ndarray:
    """All ids, uint16, with END behind each document."""
    ends = np.cumsum([len(ids) + 1 for ids in documents])
    tokens = np.full(ends[-1] if len(ends) else 0, END)
    for ids, end in zip(documents, ends.tolist(), strict=True):
        tokens[end - 1 - len(ids) : end - 1] = ids
    return tokens


def inspect(paths: Sequence[Path], num_documents: int) -> list[TextFile]:
    """What the files say about their row groups. DataError if a file is damaged, or if there are other documents."""
    files = [_inspect(path) for path in paths]
    found = sum(sum(file.group_rows) for file in files)
    if found != num_documents:
        counts = ", ".join(f"{file.path.name}: {sum(file.group_rows)}" for file in files)
        raise DataError(
            f"The files in {paths[0].parent} have {found} documents ({counts}), but there should be {num_documents}. "
            "Is this another scale's data? If not, run the `download` task again: it checks every file."
        )
    return files


def _inspect(path: Path) -> TextFile:
    with _opened(path) as file:
        if _COLUMN not in file.schema_arrow.names:
            raise DataError(f"{path} has no column {_COLUMN!r}, only {', '.join(file.schema_arrow.names)}.")
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        columns = [
            next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == _COLUMN)
            for group in groups
        ]
        return TextFile(
            path,
            path.stat().st_size,
            tuple(group.num_rows for group in groups),
            tuple(column.total_uncompressed_size for column in columns),
        )


def shards(files: Sequence[TextFile], vocabulary: Vocabulary, shard_bytes: int) -> list[Documents]:
    """Consecutive row groups of each file as units, each of which just reaches `shard_bytes`."""
    units = []
    for file in files:
        first, text_bytes = 0, 0
        for number, size in enumerate(file.group_bytes):
            text_bytes += size
            unit = Documents(file.path, file.num_bytes, range(first, number + 1), text_bytes, vocabulary)
            if unit.num_bytes >= shard_bytes or number + 1 == len(file.group_bytes):
                units.append(unit)
                first, text_bytes = number + 1, 0
    return units


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; what goes wrong with it inside is a DataError that names it."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {error}. Delete it, and run the `download` task again.") from error
