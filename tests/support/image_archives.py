"""Small archives of JPEGs in the layout of ImageNet's, for tests that need invalid ones."""

import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from algoperf.data.store.blobs import BlobReader
from algoperf.datasets.archives import tar_of
from algoperf.datasets.imagenet.dataset import ImageNet
from algoperf.datasets.imagenet.raw import DEVKIT, TEST, TRAIN, VALIDATION

ONE_SHARD_EACH = ImageNet(shard_bytes=1)
CLASSES = ("n01", "n02", "n03")
IDS = {"n01": 3, "n02": 1, "n03": 2}  # not in the order of the names


def picture(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int, **size: int) -> bytes:
    return saved(Image.fromarray(picture(seed, **size)), "JPEG", quality=95)


@dataclass
class Archives:
    """The content of the four archives. Change it, then write it."""

    train: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: {
            name: {f"{name}_{number}.JPEG": jpeg(100 * IDS[name] + number) for number in range(4)} for name in CLASSES
        }
    )
    validation: dict[str, bytes] = field(
        default_factory=lambda: {f"ILSVRC2012_val_{number:08d}.JPEG": jpeg(number) for number in range(1, 7)}
    )
    test: dict[str, bytes] = field(
        default_factory=lambda: {f"v2/{label}/{number}.jpeg": jpeg(label) for label in (2, 0, 1) for number in (0, 1)}
    )
    truth: tuple[int, ...] = (3, 1, 2, 3, 1, 2)
    train_counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 4))

    def write(self, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / TRAIN).write_bytes(tar_of({f"{name}.tar": tar_of(files) for name, files in self.train.items()}))
        (directory / VALIDATION).write_bytes(tar_of(self.validation))
        (directory / TEST.name).write_bytes(gzip.compress(tar_of(self.test)))
        (directory / DEVKIT).write_bytes(gzip.compress(tar_of(self._devkit())))
        return directory

    def _devkit(self) -> dict[str, bytes]:
        from scipy.io import savemat

        names = ("ILSVRC2012_ID", "WNID", "num_children", "num_train_images")
        table = np.zeros((len(CLASSES) + 1, 1), [(name, object) for name in names])
        for row, name in enumerate(CLASSES):
            table[row, 0] = (float(IDS[name]), name, 0.0, float(self.train_counts[name]))
        table[-1, 0] = (4.0, "n00", 3.0, 0.0)
        buffer = io.BytesIO()
        savemat(buffer, {"synsets": table})
        truth = "".join(f"{number}\n" for number in self.truth)
        return {
            "kit/data/meta.mat": buffer.getvalue(),
            "kit/data/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
        }


def preprocess(archives: Archives, folder: Path, dataset: ImageNet = ONE_SHARD_EACH) -> Path:
    dataset.preprocess(archives.write(folder / "raw"), folder / "store")
    return folder / "store"


def records(store: Path, split: str) -> list[tuple[bytes, int]]:
    reader = BlobReader(store, split)
    return [(reader.read(row), int(reader.fields["targets"][row])) for row in range(len(reader))]
