"""How fast one core makes inputs of fastMRI, compared with a plain pipeline that does what the specification says.

The plain way reads a slice of an HDF5 file, masks it, transforms it in two dimensions, crops, and normalises. Scans of
the real size are generated at the start. Times are CPU times, so other load hardly matters; the ways alternate within
one run.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
os.environ["ALGOPERF_DATA_WORKERS"] = "0"

import common
import h5py
import numpy as np

from algoperf.data.contracts import Shard, Split
from algoperf.datasets.fastmri.batches import OpenFastMRI
from algoperf.datasets.fastmri.dataset import FastMRI
from algoperf.datasets.fastmri.masks import column_mask, uniform
from algoperf.datasets.fastmri.raw import archive_name

NEEDED = 32 / 0.11  # slices a second on 8xV100: the published step rate
PUBLISHED = {"eval_train": 3_584, "validation": 3_554, "test": 3_581}
NUM_SLICES, WIDTHS = 8, (368, 372)
DATASET = FastMRI(num_train_volumes=2, num_val_volumes=4, num_validation_volumes=2)
SEED = 7


def write_scans(raw_dir: Path) -> None:
    """Scans of noise in folders, as they are after unpacking."""
    rng = np.random.default_rng(0)
    for part, count in (("train", DATASET.num_train_volumes), ("val", DATASET.num_val_volumes)):
        folder = raw_dir / archive_name(part)
        folder.mkdir(parents=True)
        for number in range(count):
            shape = (NUM_SLICES, 640, WIDTHS[number % len(WIDTHS)], 2)
            with h5py.File(folder / f"file{number}.h5", "w") as file:
                file["kspace"] = rng.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
                file["reconstruction_esc"] = np.abs(rng.standard_normal((NUM_SLICES, 320, 320), np.float32))
                file.attrs["max"] = 5.0


def plain(file: h5py.File, number: int, row: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """The specification, step by step."""
    kspace, target = file["kspace"][number], file["reconstruction_esc"][number]
    width = kspace.shape[1]
    masked = kspace * column_mask(width, uniform(width, SEED, np.array([row]))[0]).astype(np.float32)
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(masked), norm="ortho"))
    left = (image.shape[1] - 320) // 2
    cropped = np.abs(image[160:480, left : left + 320])
    mean, std = cropped.mean(), cropped.std()
    return np.clip((cropped - mean) / std, -6, 6), np.clip((target - mean) / std, -6, 6), mean, std


def training(opened: OpenFastMRI, raw_dir: Path, rounds: int) -> list[dict[str, Any]]:
    """One epoch in both ways, in the order of the files."""
    files = [h5py.File(path) for path in sorted((raw_dir / archive_name("train")).iterdir())]
    rows = [(file, number) for file in files for number in range(NUM_SLICES)]
    source = opened.training_source(SEED)
    out = {name: np.empty((len(rows), *shape), dtype) for name, (shape, dtype) in source.layout().items()}
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: [plain(file, number, row) for row, (file, number) in enumerate(rows)],
        "here": lambda: source.fill((0, np.arange(len(rows))), out, lambda: None),
    }
    for (inputs, targets, *_), found, wanted in zip(ways["plain"](), out["inputs"], out["targets"], strict=False):
        ways["here"]()
        assert np.linalg.norm(found - inputs) < 1e-5 * np.linalg.norm(inputs)
        assert np.linalg.norm(wanted - targets) < 1e-5 * np.linalg.norm(targets)
        break
    milliseconds = measured(ways, rounds, len(rows))
    return [
        {
            "way": name,
            "ms / slice": value,
            "slices / s": 1e3 / value,
            "rate / plain": milliseconds["plain"] / value,
            "cores for 8xV100": NEEDED * value / 1e3,
        }
        for name, value in milliseconds.items()
    ]


def evaluations(opened: OpenFastMRI, rounds: int) -> list[dict[str, Any]]:
    """Each split without the model; seconds for as many slices as it has in the benchmark."""
    rows = []
    for split, published in PUBLISHED.items():
        count = opened.num_examples(split)  # type: ignore[arg-type]
        milliseconds = measured({split: lambda split=split, count=count: evaluate(opened, split, count)}, rounds, count)
        kspace = 8 * 320 * sum(WIDTHS) / len(WIDTHS) + 4 * 320**2
        num_bytes = kspace if split == "eval_train" else 8 * 320**2
        rows.append(
            {"split": split, "slices": published, "ms / slice": milliseconds[split],
             "CPU s": milliseconds[split] * published / 1e3, "MB read": num_bytes * published / 1e6}
        )  # fmt: skip
    total = {name: sum(row[name] for row in rows) for name in ("slices", "CPU s", "MB read")}
    return [*rows, {"split": "all", **total}]


def evaluate(opened: OpenFastMRI, split: Split, count: int) -> None:
    """Make all batches of a split."""
    for _ in opened.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0):
        pass


def measured(ways: dict[str, Callable[[], Any]], rounds: int, num_slices: int) -> dict[str, float]:
    """Median CPU milliseconds per slice of each way; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) / num_slices * 1e3 for name, values in seconds.items()}


def main() -> None:
    """Measure both."""
    options = common.parser(__doc__).parse_args()
    rounds = 3 if options.quick else 15
    with tempfile.TemporaryDirectory() as folder:
        raw_dir, store = Path(folder) / "raw", Path(folder) / "store"
        write_scans(raw_dir)
        DATASET.preprocess(raw_dir, store)
        opened = DATASET.open(store)
        rows = training(opened, raw_dir, rounds)
        common.report("Training inputs of fastMRI on one core", rows, options.json)
        common.report("One evaluation without the model", evaluations(opened, rounds), None)


if __name__ == "__main__":
    main()
