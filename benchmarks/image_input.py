"""How fast one core makes ImageNet's inputs, compared with Pillow on the same files, and how fast random reads are.

The pictures are made at the start: noise with the spectrum of photographs, 500x375 pixels, about 110 kB each.
Times are CPU times, so other load hardly matters; the methods alternate within one run.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import common
import numpy as np
from PIL import Image

from algoperf.data.batches.order import Shuffled
from algoperf.data.images import crops, turbojpeg
from algoperf.data.store.blobs import BlobReader
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS, Record
from algoperf.datasets.imagenet.dataset import MEAN, STDDEV
from algoperf.datasets.imagenet.examples import NUM_DRAWS, Recipe

SIDE, QUALITY = 224, 91
NEEDED_PER_SEC = 3_000  # images: published step rates on 8xV100
SIZES = ((375, 500), (375, 500), (500, 375))  # height, width: two of three photographs are wide
ROUND = 60  # images per turn


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rounds = 3 if arguments.quick else 15
    files = [_photograph(number) for number in range(24)]
    rows = _compare(_training_ways(files), rounds) + _compare(_evaluation_ways(files), rounds)
    size = sum(map(len, files)) / len(files) / 1000
    title = f"Inputs of {SIDE}x{SIDE} pixels from JPEGs of {size:.0f} kB, one core"
    if turbojpeg.decoder() is None:
        title += " (without libjpeg-turbo 3: whole pictures are decoded)"
    with tempfile.TemporaryDirectory(dir=common.DATA.parent) as folder:
        reading = _reading(Path(folder), files, rounds)
    common.report(title, rows, arguments.json)
    common.report("Reading a store", reading, None)


def _photograph(seed: int) -> bytes:
    """A JPEG of noise whose amplitudes fall with the frequency as in photographs, with some grain."""
    rng = np.random.default_rng(seed)
    height, width = SIZES[seed % len(SIZES)]
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(height, width, 3)), axes=(0, 1)) / frequency[..., np.newaxis] ** 1.2
    picture = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    picture = picture / picture.std() * 55 + 120 + rng.normal(scale=5, size=picture.shape)
    buffer = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@dataclass(frozen=True)
class Way:
    """One method of making inputs, called with the index of an image."""

    purpose: str
    name: str
    make: Callable[[int], Any]


def _training_ways(files: Sequence[bytes]) -> list[Way]:
    draws = np.random.default_rng(0).random((ROUND, NUM_DRAWS)).tolist()
    out = np.empty((SIDE, SIDE, 3), np.float32)

    def pillow(number: int) -> np.ndarray:
        image = Image.open(io.BytesIO(files[number % len(files)])).convert("RGB")
        top, left, height, width = crops.random_crop(image.height, image.width, draws[number])
        image = image.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if draws[number][crops.DRAWS] < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(image)

    plain, augmenting = (Recipe(SIDE, MEAN, STDDEV, augment) for augment in (False, True))
    return [
        Way("training", "Pillow: decode, crop, bilinear, flip", pillow),
        Way("training", "the same, normalised to float32", lambda number: _normalised(pillow(number))),
        Way("training", "here", lambda n: plain.training(files[n % len(files)], draws[n], out)),
        Way("training", "here, with RandAugment", lambda n: augmenting.training(files[n % len(files)], draws[n], out)),
    ]


def _evaluation_ways(files: Sequence[bytes]) -> list[Way]:
    out = np.empty((SIDE, SIDE, 3), np.float32)
    recipe = Recipe(SIDE, MEAN, STDDEV, augment=False)

    def pillow(number: int) -> np.ndarray:
        image = Image.open(io.BytesIO(files[number % len(files)])).convert("RGB")
        top, left, height, width = crops.central(image.height, image.width)
        return np.asarray(
            image.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        )

    return [
        Way("evaluation", "Pillow: decode, crop, bilinear", pillow),
        Way("evaluation", "the same, normalised to float32", lambda number: _normalised(pillow(number))),
        Way("evaluation", "here", lambda number: recipe.evaluation(files[number % len(files)], out)),
    ]


def _normalised(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float32)
    values -= np.float32(MEAN)
    values /= np.float32(STDDEV)
    return values


def _compare(ways: Sequence[Way], rounds: int) -> list[dict[str, Any]]:
    """CPU milliseconds per image for each method, and ratios of rates within a round."""
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways:
            begin = time.process_time()
            for image in range(ROUND):
                way.make(image)
            if number:  # the first round fills caches
                taken[way.name].append((time.process_time() - begin) / ROUND * 1000)
    first = taken[ways[0].name]
    rows = []
    for way in ways:
        ratios = [base / own for base, own in zip(first, taken[way.name], strict=True)]
        per_sec = 1000 / statistics.median(taken[way.name])
        rows.append(
            {
                "purpose": way.purpose, "way": way.name, "CPU ms / image": statistics.median(taken[way.name]),
                "images / s": per_sec, f"cores for {NEEDED_PER_SEC:,} / s": NEEDED_PER_SEC / per_sec,
                "rate / Pillow's": statistics.median(ratios), "middle half": common.spread(ratios),
            }
        )  # fmt: skip
    return rows


@dataclass(frozen=True)
class _Repeated:
    """A shard that repeats the same files."""

    files: tuple[bytes, ...]
    count: int
    identity: str

    @property
    def num_bytes(self) -> int:
        return sum(map(len, self.files)) * self.count // len(self.files)

    def records(self) -> Iterator[Record]:
        for number in range(self.count):
            data = self.files[number % len(self.files)]
            yield Record(f"{self.identity} {number:06d}", data, {"targets": np.int32(0)})


def _reading(folder: Path, files: Sequence[bytes], rounds: int) -> list[dict[str, Any]]:
    """Wall time to read all records in random order, and the same bytes in order; warm and cold."""
    units = [_Repeated(tuple(files), 1_200, str(number)) for number in range(3)]
    build(folder / "store", dataset="benchmark", splits={"train": units}, form=RECORDS, num_processes=1)
    reader = BlobReader(folder / "store", "train")
    order = Shuffled(len(reader), 0).indices(0, len(reader)).tolist()
    shards = sorted((folder / "store" / "train").glob("shard_*"))
    ways = {"in order": lambda: _in_order(shards), "at random": lambda: _at_random(reader, order)}
    rows = []
    for state in ("in memory", "on disk"):
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, read in ways.items():
                if state == "on disk":
                    _forget(shards)
                begin = time.perf_counter()
                num_bytes = read()
                if number:
                    rates[name].append(num_bytes / (time.perf_counter() - begin) / 1e6)
        ratios = [random / ordered for ordered, random in zip(rates["in order"], rates["at random"], strict=True)]
        rows.append(
            {
                "store": state, **{f"{name}, MB / s": statistics.median(values) for name, values in rates.items()},
                "ratio": statistics.median(ratios), "middle half": common.spread(ratios),
            }
        )  # fmt: skip
    return rows


def _in_order(shards: Sequence[Path]) -> int:
    total = 0
    for shard in shards:
        with shard.open("rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                total += len(chunk)
    return total


def _at_random(reader: BlobReader, order: Sequence[int]) -> int:
    return sum(len(reader.read(row)) for row in order)


def _forget(shards: Sequence[Path]) -> None:
    for shard in shards:
        with shard.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
