"""fastMRI, single-coil knee (Zbontar et al., 2018): 41,877 slices of 1,172 scans, of which columns are left out.

Splits: `train` (973 volumes, 34,742 slices); the archive `val` in the order of its names becomes `validation` (100
volumes, 3,554 slices) and `test` (99 volumes, 3,581 slices).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS, grouped
from algoperf.data.store.store import store_exists
from algoperf.data.transfer.unpacking import workspace
from algoperf.datasets.fastmri import raw
from algoperf.datasets.fastmri.batches import NAME, OpenFastMRI, picture_layout
from algoperf.datasets.fastmri.miniature import write_miniature
from algoperf.datasets.fastmri.volumes import Volume, VolumesShard, list_volumes
from algoperf.system import usable_cores

SHARD_BYTES = 1 << 30  # of raw files


@dataclass(frozen=True)
class FastMRI:
    """fastMRI as a dataset.

    Attributes:
      image_size: side of the pictures.
      num_train_volumes, num_val_volumes: files of the two archives.
      num_validation_volumes: files of `val` that are validation data; the others are test data.
      shard_bytes: approximate size of the raw files of one file of the store.
    """

    image_size: int = 320
    num_train_volumes: int = 973
    num_val_volumes: int = 199
    num_validation_volumes: int = 100
    shard_bytes: int = SHARD_BYTES
    name: str = NAME

    @property
    def input_stats(self) -> None:
        """Every slice is normalised by itself."""
        return

    @property
    def num_classes(self) -> None:
        """Targets are pictures."""
        return

    def example_batch(self) -> Batch:
        """One slice."""
        return {name: np.ones((1, *shape), dtype) for name, (shape, dtype) in picture_layout(self.image_size).items()}

    def download(self, raw_dir: Path) -> None:
        """Fetch the archives that the user has links for, or say where to get them."""
        raw.fetch(raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write both archives, of the same names and layout, full of generated scans."""
        write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store; resumes an interrupted call. Archives are unpacked beside it, and removed at the end."""
        if store_exists(data_dir):
            return
        with workspace(data_dir) as folder:
            train, val = (
                list_volumes(raw.volume_folder(raw_dir, part, folder), count, self.image_size)
                for part, count in (("train", self.num_train_volumes), ("val", self.num_val_volumes))
            )
            splits = {
                "train": self._shards(train, evaluated=False),
                "validation": self._shards(val[: self.num_validation_volumes], evaluated=True),
                "test": self._shards(val[self.num_validation_volumes :], evaluated=True),
            }
            build(data_dir, dataset=self.name, splits=splits, form=RECORDS, num_processes=usable_cores())

    def _shards(self, volumes: list[Volume], *, evaluated: bool) -> Sequence[VolumesShard]:
        return [VolumesShard(group, self.image_size, evaluated) for group in grouped(volumes, self.shard_bytes)]

    def open(self, data_dir: Path) -> OpenFastMRI:
        """Batches of `inputs` and `targets`, float32 (B, S, S), and `mean`, `std` and `volume_max`, float32 (B,)."""
        return OpenFastMRI(data_dir, self.image_size)
