"""ImageNet: 1.28 million photographs in 1,000 classes (ILSVRC 2012), tested on ImageNet-v2.

Splits: `train` (1,281,167), `validation` (50,000; what ILSVRC calls validation), `test` (10,000: ImageNet-v2,
matched frequency). Classes are numbered in WordNet id order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from algoperf.data.contracts import Batch, example_image
from algoperf.data.store.build_units import build
from algoperf.data.store.record_units import RECORDS, RecordUnit
from algoperf.data.store.store import store_exists
from algoperf.data.transfer.download import download
from algoperf.datasets.imagenet import raw
from algoperf.datasets.imagenet.batches import OpenImageNet
from algoperf.datasets.imagenet.examples import Recipe
from algoperf.datasets.imagenet.miniature import write_miniature
from algoperf.datasets.imagenet.shards import SHARD_BYTES, TestShard, train_shards, validation_shards
from algoperf.system import usable_cores

# Of pixels from 0 to 255, per channel.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STDDEV = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclass(frozen=True)
class ImageNet:
    """ImageNet as a dataset; its miniature has ten classes, and 2,000, 500 and 500 examples.

    Raw files and store do not depend on the settings, so workloads share them.

    Attributes:
      augment: whether training images get RandAugment and mixup.
      image_size: side of the images in a batch.
      num_classes: length of the mixed targets.
      shard_bytes: approximate size of the files of the store.
    """

    augment: bool = False
    image_size: int = 224
    num_classes: int = 1000
    shard_bytes: int = SHARD_BYTES
    name: str = "imagenet"

    @property
    def input_stats(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the channels, in units of 8-bit values."""
        return MEAN, STDDEV

    def example_batch(self) -> Batch:
        """One image and its label."""
        return example_image(self.image_size, num_channels=3)

    def download(self, raw_dir: Path) -> None:
        """Fetch ImageNet-v2 (1.3 GB) and check the archives of ILSVRC 2012, which the user has to provide."""
        raw.check_present(raw_dir)
        download([raw.TEST], raw_dir)
        raw.check_content(raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write four archives of the same names and layout, full of generated pictures."""
        write_miniature(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: all JPEG files, their sizes and labels. Resumes an interrupted call."""
        if store_exists(data_dir):
            return
        devkit = raw.read_devkit(raw_dir / raw.DEVKIT)
        test_archive = raw_dir / raw.TEST.name
        raw.require(test_archive)
        splits: dict[str, Sequence[RecordUnit]] = {
            "train": train_shards(raw_dir / raw.TRAIN, devkit, self.shard_bytes),
            "validation": validation_shards(raw_dir / raw.VALIDATION, devkit, self.shard_bytes),
            "test": [TestShard(test_archive, len(devkit.classes))],
        }
        build(data_dir, dataset=self.name, splits=splits, form=RECORDS, num_processes=usable_cores())

    def open(self, data_dir: Path) -> OpenImageNet:
        """Batches of normalised `inputs` float32 (B, S, S, 3) and `targets` int32 (B,), or float32 (B, C) if mixed."""
        recipe = Recipe(self.image_size, MEAN, STDDEV, self.augment)
        return OpenImageNet(data_dir, recipe, self.num_classes)
