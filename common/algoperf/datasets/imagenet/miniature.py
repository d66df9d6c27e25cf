"""A small stand-in for ImageNet: archives of the original layout, full of generated pictures.

Like the real ones, they hold JPEGs of many sizes, some of them grey, one CMYK JPEG, and one PNG named like a JPEG.
The numbers in the development kit are not in the order of the class names.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.images.jpeg import encode_rgb
from algoperf.datasets.archives import tar_of, write_archives
from algoperf.datasets.imagenet.raw import DEVKIT, GROUND_TRUTH, SYNSETS, TEST, TRAIN, VALIDATION
from algoperf.datasets.textures import NUM_CLASSES, draw

NUM_IMAGES = {"train": 2_000, "validation": 500, "test": 500}
_SIDES = (48, 72)  # pixels
_QUALITY = (80, 96)
_GREY_SHARE = 0.05
_CMYK, _PNG = 11, 23  # indices of two training images


def write_miniature(raw_dir: Path) -> None:
    """Write the four archives. UserError if other files have their names."""
    contents = {
        TRAIN: _train_archive(),
        VALIDATION: _validation_archive(),
        DEVKIT: _devkit(),
        TEST.name: _test_archive(),
    }
    write_archives(raw_dir, contents)


def class_names() -> list[str]:
    """Names that look like WordNet ids, in order."""
    return [f"n{90_000_000 + 137 * number:08d}" for number in range(1, NUM_CLASSES + 1)]


def _image_files(split: str) -> list[tuple[int, bytes]]:
    """Labels and image files of a split. Classes alternate."""
    rng = keyed_generator("imagenet miniature", split)
    files = []
    for number in range(NUM_IMAGES[split]):
        label = number % NUM_CLASSES
        height, width = rng.integers(*_SIDES, size=2, endpoint=True).tolist()
        picture = draw(label, height, width, rng)
        files.append((label, _encode(picture, split, number, rng)))
    return files


def _encode(picture: np.ndarray, split: str, number: int, rng: np.random.Generator) -> bytes:
    from PIL import Image

    quality = int(rng.integers(*_QUALITY))
    if rng.random() < _GREY_SHARE:
        return _saved(Image.fromarray(picture).convert("L"), "JPEG", quality=quality)
    if split == "train" and number == _CMYK:
        return _saved(Image.fromarray(picture).convert("CMYK"), "JPEG", quality=quality)
    if split == "train" and number == _PNG:
        return _saved(Image.fromarray(picture), "PNG")
    return encode_rgb(picture, quality=quality)


def _saved(image: object, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[attr-defined]
    return buffer.getvalue()


def _train_archive() -> bytes:
    folders: dict[str, dict[str, bytes]] = {wnid: {} for wnid in class_names()}
    for number, (label, content) in enumerate(_image_files("train")):
        wnid = class_names()[label]
        folders[wnid][f"{wnid}_{number}.JPEG"] = content
    return tar_of({f"{wnid}.tar": tar_of(images) for wnid, images in folders.items()})


def _shuffled_validation() -> list[tuple[int, bytes]]:
    files = _image_files("validation")
    return [files[row] for row in keyed_generator("imagenet miniature", "order").permutation(len(files))]


def _validation_archive() -> bytes:
    return tar_of(
        {f"ILSVRC2012_val_{n:08d}.JPEG": content for n, (_, content) in enumerate(_shuffled_validation(), start=1)}
    )


def _devkit() -> bytes:
    from scipy.io import savemat

    ids = keyed_generator("imagenet miniature", "ids").permutation(NUM_CLASSES) + 1
    names = ("ILSVRC2012_ID", "WNID", "words", "num_children", "num_train_images")
    table = np.zeros((NUM_CLASSES + 1, 1), [(name, object) for name in names])
    per_class = NUM_IMAGES["train"] // NUM_CLASSES
    for row, number in enumerate(np.argsort(ids)):
        table[row, 0] = (float(row + 1), class_names()[number], f"texture {number}", 0.0, float(per_class))
    table[-1, 0] = (NUM_CLASSES + 1.0, "n89999999", "texture", float(NUM_CLASSES), 0.0)  # the root: no class
    synsets = io.BytesIO()
    savemat(synsets, {"synsets": table})
    # The first 116 bytes are a text with the date; replace them so that the bytes are always the same.
    synsets_bytes = b"MATLAB 5.0 MAT-file".ljust(116) + synsets.getvalue()[116:]
    truth = "".join(f"{ids[label]}\n" for label, _ in _shuffled_validation())
    folder = "ILSVRC2012_devkit_t12/data/"
    return gzip.compress(tar_of({folder + SYNSETS: synsets_bytes, folder + GROUND_TRUTH: truth.encode()}), mtime=0)


def _test_archive() -> bytes:
    folder = TEST.name.removesuffix(".tar.gz") + "-format-val"
    files = enumerate(_image_files("test"))
    return gzip.compress(tar_of({f"{folder}/{label}/{n:06d}.jpeg": content for n, (label, content) in files}), mtime=0)
