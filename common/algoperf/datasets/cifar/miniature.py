"""A small stand-in for CIFAR-10: the same archive with fewer, generated pictures."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.datasets.archives import tar_of, write_archives
from algoperf.datasets.textures import NUM_CLASSES, draw

PER_TRAIN_FILE, PER_TEST_FILE = 1_000, 500
_CLASS_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_COMPRESSION = 1  # noise does not shrink


def write_miniature(path: Path, train_files: Sequence[str], test_file: str, side: int) -> None:
    """Write the archive. UserError if another file has its name."""
    folder = "cifar-10-batches-bin/"
    members = {folder + "batches.meta.txt": "\n".join([*_CLASS_NAMES, "", ""]).encode()}
    for name in train_files:
        members[folder + name] = _records(name, PER_TRAIN_FILE, side)
    members[folder + test_file] = _records(test_file, PER_TEST_FILE, side)
    content = gzip.compress(tar_of(members), _COMPRESSION, mtime=0)
    write_archives(path.parent, {path.name: content})


def _records(name: str, count: int, side: int) -> bytes:
    rng = keyed_generator("cifar miniature", name)
    labels = rng.permutation(np.arange(count) % NUM_CLASSES)
    records = []
    for label in labels.tolist():
        records += [bytes([label]), draw(label, side, side, rng).transpose(2, 0, 1).tobytes()]
    return b"".join(records)
