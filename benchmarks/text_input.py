"""Preparing and reading text on one core: texts to tokens, and tokens to batches, each compared with a plain loop.

The texts are the manual that comes with Python. Times are CPU times, so other load hardly matters; the methods
alternate within one run. The tokenizer's two files are those of GPT-2 (`--tokenizer FOLDER`), or of the miniature.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import common
import numpy as np
from speech_input import cpu_seconds

from algoperf.data.contracts import Shard
from algoperf.data.store.store import create_store
from algoperf.data.text.byte_pairs import BytePairTokenizer, Vocabulary
from algoperf.datasets.fineweb_edu.dataset import FINEWEB_EDU, FINEWEB_EDU_MINI
from algoperf.datasets.fineweb_edu.documents import Documents
from algoperf.datasets.fineweb_edu.miniature import parquet_of
from algoperf.datasets.fineweb_edu.windows import OpenFineWebEdu

BATCH_SIZE, BUFFER = 64, 1_000
BATCHES = 10  # in a row, as in training: the first after the other method finds none of its memory in the caches
TEXT_CHARACTERS = 4_700  # of a document: the mean of FineWeb-Edu
ALL_TOKENS, CORES = 9.97e9, 32


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    parser.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="with vocab.bpe and encoder.json of GPT-2")
    parser.add_argument(
        "--tokens", type=int, default=20_000_000, help="length of the stream that batches are read from"
    )
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rounds, num_tokens = (2, 2_000_000) if arguments.quick else (5, arguments.tokens)
    with tempfile.TemporaryDirectory() as folder:
        rows = _tokens(Path(folder), arguments.tokenizer, rounds)
        common.report("Texts to tokens", rows, None)
        rows = _batches(Path(folder), num_tokens, rounds)
    common.report(f"Batches of {BATCH_SIZE} sequences of {FINEWEB_EDU.length} tokens", rows, arguments.json)


# --- texts to tokens ------------------------------------------------------------------------------------------


def _tokens(folder: Path, tokenizer_dir: Path | None, rounds: int) -> list[dict[str, Any]]:
    if tokenizer_dir is None:
        FINEWEB_EDU_MINI.miniature(folder)
    vocabulary = Vocabulary.find(tokenizer_dir or folder)
    text = "\n".join(topics.values())
    texts = [text[start : start + TEXT_CHARACTERS] for start in range(0, len(text), TEXT_CHARACTERS)]
    path = folder / "texts.parquet"
    path.write_bytes(parquet_of(texts, group_rows=1_000))
    unit = Documents(path, path.stat().st_size, range(1), len(text), vocabulary)
    tokenizer = BytePairTokenizer(vocabulary)

    def loop() -> np.ndarray:
        """Text by text into one list."""
        ids: list[int] = []
        for one in texts:
            ids += tokenizer.encode_all([one])[0]
            ids.append(tokenizer.end_of_text)
        return np.array(ids, np.uint16)

    seconds = cpu_seconds({"a loop over texts": loop, "here, from parquet": lambda: list(unit.rows())}, rounds)
    count = len(loop())
    return [
        {
            "method": name,
            "tokens/s": count / value,
            "MB of text/s": len(text.encode()) / value / 1e6,
            f"hours for {ALL_TOKENS:.3g} tokens on {CORES} cores": ALL_TOKENS / (count / value) / CORES / 3_600,
        }
        for name, value in seconds.items()
    ]


# --- tokens to batches ----------------------------------------------------------------------------------------


def _batches(folder: Path, num_tokens: int, rounds: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    tokens = rng.integers(FINEWEB_EDU.vocab_size, size=num_tokens).astype(np.uint16)
    with create_store(folder / "store", dataset=FINEWEB_EDU.name) as writer:
        writer.append("train", {"tokens": tokens})
    opened = OpenFineWebEdu(folder / "store", FINEWEB_EDU.length)
    batches = opened.training(seed=0, batch_size=BATCH_SIZE, shard=Shard())
    batches.prepare(0)
    cuts = np.sort(rng.choice(num_tokens, num_tokens // 1_030, replace=False))
    plain = _plain(np.split(tokens, cuts))
    position, in_epoch = iter(range(1 << 30)), opened.num_examples("train") // BATCH_SIZE
    seconds = cpu_seconds(
        {
            "a loop over documents": lambda: _in_a_row(lambda: next(plain)),
            "here": lambda: _in_a_row(lambda: batches.batch(next(position) % in_epoch)),
        },
        5 * rounds,
    )
    seconds = {name: value / BATCHES for name, value in seconds.items()}
    return [
        {
            "method": name,
            "windows/s": BATCH_SIZE / value,
            "tokens/s": BATCH_SIZE * FINEWEB_EDU.length / value,
            "times as fast": seconds["a loop over documents"] / value,
        }
        for name, value in seconds.items()
    ]


def _in_a_row(make: Callable[[], Any]) -> None:
    for _ in range(BATCHES):
        make()


def _plain(documents: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches from a stream that is a list, and from a buffer of windows."""
    generator, size = random.Random(0), FINEWEB_EDU.length + 1
    stream: list[int] = []
    buffer: list[list[int]] = []
    batch: list[list[int]] = []
    while True:
        for document in documents:
            stream += document.tolist()
            while len(stream) >= size:
                window, stream = stream[:size], stream[size:]
                if len(buffer) < BUFFER:
                    buffer.append(window)
                    continue
                place = generator.randrange(BUFFER)
                batch.append(buffer[place])
                buffer[place] = window
                if len(batch) == BATCH_SIZE:
                    rows, batch = np.array(batch, np.int32), []
                    yield rows[:, :-1], rows[:, 1:]


if __name__ == "__main__":
    main()
