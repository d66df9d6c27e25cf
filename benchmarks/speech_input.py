"""Inputs and error rates of speech on one core: store to batch, features, and WER, each compared with a plain way.

The utterances are noise of 2 to 20 seconds, as long on average as real ones; both ways read from the page cache. Times
are CPU times, so other load hardly matters; the methods alternate within one run. `--sheet FILE` draws features of the
miniature as training has them instead, with SpecAugment.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import common
import numpy as np

from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS, Record
from algoperf.data.workers.pool import WorkerPool
from algoperf.datasets.librispeech.batches import OpenLibriSpeech
from algoperf.datasets.librispeech.dataset import LIBRISPEECH, LIBRISPEECH_MINI
from algoperf.datasets.librispeech.utterances import Limits
from algoperf.metrics.word_error_rate import num_edits, published_words

BATCH_SIZE, FEATURE_BATCH = 256, 32
LIMITS = Limits(LIBRISPEECH.num_samples, LIBRISPEECH.num_tokens)
NUM_VALIDATION = 5_348
SHEET_ROWS, SHEET_COLUMNS, SHEET_FACTOR = 8, 6, 3


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    parser.add_argument("--utterances", type=int, default=512, help="how many are made, 0.9 MB each for both ways")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw a sheet of features into a PNG, and end")
    arguments = parser.parse_args()
    if arguments.sheet is not None:
        _draw_sheet(arguments.sheet)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rounds, count = (2, 64) if arguments.quick else (5, arguments.utterances)
    with tempfile.TemporaryDirectory() as folder:
        rows = _inputs(Path(folder), count, rounds)
    common.report(f"Batches of {min(BATCH_SIZE, count)} of {count} utterances", rows, arguments.json)
    common.report(f"Log-mel features of {FEATURE_BATCH} utterances of 20 s", _features(rounds), None)
    common.report(f"Word error rates of {NUM_VALIDATION:,} utterances", _error_rates(rounds), None)


def cpu_seconds(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Medians over the rounds, in which the ways alternate."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            times[name].append(time.process_time() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


# --- store to batch -------------------------------------------------------------------------------------------


def _inputs(folder: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    lengths = _write_both(folder, count)
    size = min(BATCH_SIZE, count)
    batches = OpenLibriSpeech(folder / "store", LIMITS, lambda: WorkerPool(0)).training(
        seed=0, batch_size=size, shard=Shard()
    )
    position = iter(range(1 << 30))
    order = np.random.default_rng(1).permutation(count)[:size]
    seconds = cpu_seconds(
        {
            "a loop over the published .npy files": lambda: _published(folder / "npy", order),
            "here": lambda: batches.batch(next(position)),
        },
        rounds,
    )
    published, here = _published(folder / "npy", order), batches.batch(0)
    num_bytes = {
        "a loop over the published .npy files": sum(array.nbytes for array in published),
        "here": sum(part.nbytes for padded in here.values() for part in (padded.values, padded.lengths)),
    }
    return [
        {
            "method": name,
            "utterances/s": size / value,
            "times as fast": max(seconds.values()) / value,
            "MB to the device": num_bytes[name] / 1e6,
            "MB on disk per utterance": lengths.mean() * (8 if name != "here" else 2) / 1e6,
        }
        for name, value in seconds.items()
    ]


@dataclass(frozen=True)
class _Noise:
    """Utterances of noise for the store, which are written in the published form too."""

    lengths: np.ndarray
    folder: Path
    identity: str = "noise"

    @property
    def num_bytes(self) -> int:
        return 2 * int(self.lengths.sum())

    def records(self) -> Iterator[Record]:
        rng = np.random.default_rng(0)
        for number, length in enumerate(self.lengths):
            samples = rng.integers(-3_000, 3_000, length).astype(np.int16)
            tokens = rng.integers(3, 1_024, length // 6_000).astype(np.int16)
            np.save(self.folder / f"{number}_audio.npy", samples.astype(np.int64))
            np.save(self.folder / f"{number}_targets.npy", tokens.astype(np.int32))
            fields = {"num_tokens": np.uint16(len(tokens))}
            yield Record(f"{number:09d}", tokens.tobytes() + samples.tobytes(), fields)


def _write_both(folder: Path, count: int) -> np.ndarray:
    """The same utterances as a store, and as the published files: samples int64, tokens int32."""
    lengths = (320_000 * np.random.default_rng(0).beta(3.2, 2.0, count)).astype(np.int64).clip(32_000)
    (folder / "npy").mkdir()
    unit = _Noise(lengths, folder / "npy")
    build(folder / "store", dataset=LIBRISPEECH.name, splits={"train": [unit]}, form=RECORDS, num_processes=1)
    return lengths


def _published(folder: Path, rows: np.ndarray) -> list[np.ndarray]:
    """Load and pad, row by row, as float32 with paddings."""
    batch: list[list[np.ndarray]] = [[], [], [], []]
    for row in rows:
        for place, (name, length) in enumerate((("audio", LIMITS.num_samples), ("targets", LIMITS.num_tokens))):
            values = np.load(folder / f"{row}_{name}.npy")
            missing = (0, length - len(values))
            batch[2 * place].append(np.pad(values, missing).astype(np.float32))
            batch[2 * place + 1].append(np.pad(np.zeros(len(values), np.float32), missing, constant_values=1.0))
    return [np.stack(part) for part in batch]


# --- features -------------------------------------------------------------------------------------------------


def _features(rounds: int) -> list[dict[str, Any]]:
    import jax
    import torch

    from algoperf.frameworks.jax.models.speech.features import features
    from algoperf.frameworks.torch.models.speech.features import LogMel

    torch.set_num_threads(1)
    audio = np.random.default_rng(0).normal(size=(FEATURE_BATCH, LIMITS.num_samples), scale=1e3).astype(np.float32)
    tensors, compiled, module = torch.from_numpy(audio), jax.jit(features), LogMel()
    paddings = torch.zeros_like(tensors)
    seconds = cpu_seconds(
        {
            "JAX": lambda: jax.block_until_ready(compiled(audio, np.zeros_like(audio))),
            "PyTorch": lambda: module(tensors, paddings),
        },
        rounds,
    )
    return [{"framework": name, "CPU s": value} for name, value in seconds.items()]


# --- error rates ----------------------------------------------------------------------------------------------


def _error_rates(rounds: int) -> list[dict[str, Any]]:
    """20 words per utterance, of which one in ten is wrong."""
    rng = np.random.default_rng(0)
    lexicon = ["".join(rng.choice(list("ABCDEFGHIJKLMNOP"), rng.integers(1, 9))) for _ in range(5_000)]
    expected = [rng.choice(lexicon, 20).tolist() for _ in range(NUM_VALIDATION)]
    found = [[word if rng.random() < 0.9 else rng.choice(lexicon) for word in text] for text in expected]
    pairs = [(" ".join(one), " ".join(other)) for one, other in zip(found, expected, strict=True)]
    ways: dict[str, Callable[[], Any]] = {
        "here, both rates": lambda: [
            num_edits(words_of(one), words_of(other))
            for one, other in pairs
            for words_of in (published_words, str.split)
        ],
    }
    try:
        import jiwer
    except ImportError:
        print("The package jiwer is not installed: it is left out.")
    else:
        ways["a loop over jiwer, one rate"] = lambda: [jiwer.process_words(other, one) for one, other in pairs]
    return [{"method": name, "CPU s": value} for name, value in cpu_seconds(ways, rounds).items()]


# --- a sheet --------------------------------------------------------------------------------------------------


def _draw_sheet(file: Path) -> None:
    import torch
    from PIL import Image, ImageDraw

    from algoperf.frameworks.torch.models.speech.features import LogMel, spec_augment, uniform_of

    common.prepare("librispeech_conformer")
    opened = LIBRISPEECH_MINI.open(dataset_dir(common.DATA, LIBRISPEECH_MINI, "mini"))
    count = SHEET_ROWS * SHEET_COLUMNS
    batch = opened.training(seed=0, batch_size=count, shard=Shard()).batch(0)
    samples, lengths = batch["inputs"].values, batch["inputs"].lengths
    paddings = torch.from_numpy((np.arange(samples.shape[1]) >= lengths[:, np.newaxis]).astype(np.float32))
    x, behind = LogMel()(torch.from_numpy(samples.astype(np.float32)), paddings)
    x = spec_augment(x, behind, uniform_of([0, 1], x.device), time_mask_count=10, freq_mask_count=2)
    pixels = (255 * ((x + 2) / 5).clamp(0, 1)).byte().numpy().transpose(0, 2, 1)[:, ::-1]
    height, width = (SHEET_FACTOR * size for size in pixels.shape[1:])
    sheet = Image.new("L", (SHEET_COLUMNS * (width + 8), SHEET_ROWS * (height + 18)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, picture in enumerate(pixels):
        left, top = number % SHEET_COLUMNS * (width + 8), number // SHEET_COLUMNS * (height + 18)
        sheet.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST), (left, top))
        ids = batch["targets"].values[number, : batch["targets"].lengths[number]].tolist()
        pen.text((left + 2, top + height + 2), opened.tokenizer.decode(ids), fill="black")
    sheet.save(file)
    print(f"{count} utterances: {file}")


if __name__ == "__main__":
    main()
