"""Byte-level tokenizers of GPT-2's kind (Radford et al., 2019), from the two files that define one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf.data.files import sha256_of
from algoperf.errors import DataError

if TYPE_CHECKING:
    import tiktoken

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Vocabulary:
    """The files of a tokenizer, with their hashes.

    Attributes:
      merges: pairs of tokens that become one, first things first (`vocab.bpe`).
      ids: tokens and their ids (`encoder.json`).
    """

    merges: Path
    ids: Path
    merges_sha256: str
    ids_sha256: str

    @classmethod
    def find(cls, folder: Path) -> Vocabulary:
        """The files in a folder, under their published names. DataError if one is missing."""
        paths = folder / "vocab.bpe", folder / "encoder.json"
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path} is not there. Run the `download` task first, or check the raw data directory.")
        return cls(*paths, *map(sha256_of, paths))

    @property
    def identity(self) -> str:
        """Both hashes."""
        return f"{self.merges_sha256} {self.ids_sha256}"


class BytePairTokenizer:
    """A tokenizer. Every text has ids; `END_OF_TEXT` is one of them, also inside a text.

    DataError if the files do not fit each other, or differ from what their vocabulary says.

    Attributes:
      end_of_text: the id of `END_OF_TEXT`.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._encoding = _encoding(vocabulary)
        self.end_of_text = self._encoding.eot_token

    def __len__(self) -> int:
        return self._encoding.n_vocab

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts, in this thread."""
        return self._encoding.encode_batch(list(texts), num_threads=1, allowed_special={END_OF_TEXT})

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self._encoding.decode(list(ids))


@lru_cache(maxsize=4)
def _encoding(vocabulary: Vocabulary) -> tiktoken.Encoding:
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from tiktoken_ext.openai_public import r50k_pat_str

    ids = vocabulary.ids
    try:
        ranks = data_gym_to_mergeable_bpe_ranks(
            str(vocabulary.merges), str(ids), vocabulary.merges_sha256, vocabulary.ids_sha256
        )
        special = {END_OF_TEXT: int(json.loads(ids.read_text(encoding="utf-8"))[END_OF_TEXT])}
        return tiktoken.Encoding(ids.parent.name, pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(
            f"{vocabulary.merges} and {ids} are no tokenizer ({type(error).__name__}: {str(error)[:200]}). Delete "
            "them, and run the `download` task again."
        ) from error
