"""SentencePiece tokenizers (Kudo & Richardson, 2018): training, and texts to ids and back."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from algoperf.errors import DataError

UNKNOWN_ID, BEGIN_ID, END_ID = 0, 1, 2


def train_unigram(lines: Iterable[str], vocab_size: int, most_characters: int = 10_000_000) -> bytes:
    """Train a unigram model that covers all characters; other settings are SentencePiece's defaults.

    The same lines in the same order give the same model. `most_characters` limits how much text is used.
    DataError if the text is too small for so many pieces.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_first(lines, most_characters),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            character_coverage=1.0,
            minloglevel=2,
        )
    except (RuntimeError, ValueError) as error:
        raise DataError(f"No tokenizer of {vocab_size} pieces can be trained on this text: {error}") from error
    return model.getvalue()


def _first(lines: Iterable[str], most_characters: int) -> Iterator[str]:
    """Lines while they have fewer than so many characters together."""
    left = most_characters
    for line in lines:
        if left <= 0:
            return
        left -= len(line) + 1
        yield line


def given_tokenizer(path: Path, num_pieces: int) -> bytes | None:
    """The model at `path`, None if there is none. DataError if it is no model, or has not so many pieces."""
    if not path.exists():
        return None
    try:
        model = path.read_bytes()
        found = len(Tokenizer(model))
    except (OSError, DataError) as error:
        raise DataError(f"{path} is no tokenizer: {error} Remove it, and one is trained.") from error
    if found != num_pieces:
        raise DataError(f"{path} has {found} pieces, but the model has {num_pieces} classes.")
    print(f"Using the tokenizer {path}.", flush=True)
    return model


class Tokenizer:
    """A trained model. DataError if `model` is none."""

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, OSError) as error:
            raise DataError(f"These {len(model)} bytes are no SentencePiece model: {error}") from error

    def __len__(self) -> int:
        return int(self._processor.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        """The ids of a text, and the end of the sentence."""
        return [*self._processor.Encode(text), END_ID]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids. Begin and end of a sentence vanish; nothing behind them is cut."""
        return str(self._processor.Decode(list(ids)))
