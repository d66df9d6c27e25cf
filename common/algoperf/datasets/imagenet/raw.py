"""The raw files of ImageNet: their list, their checks, and the content of the development kit.

ImageNet must not be redistributed: the user downloads the three archives of ILSVRC 2012 and accepts its terms. The
test set, ImageNet-v2 (Recht et al., 2019), is free.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.files import write_file
from algoperf.data.transfer.download import RemoteFile
from algoperf.data.transfer.progress import byte_progress
from algoperf.errors import DataError
from algoperf.text import format_bytes

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
TEST = RemoteFile(
    "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/imagenetv2-matched-frequency.tar.gz",
    "imagenetv2-matched-frequency.tar.gz",
    1_264_079_360,
    "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
)
SYNSETS, GROUND_TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"  # inside the development kit
VERIFIED = "verified.json"  # files already hashed: hashing 155 GB takes minutes
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class ManualFile:
    """A file that the user provides. `num_bytes` is None where only the hash is known."""

    name: str
    num_bytes: int | None
    algorithm: str
    digest: str
    title: str

    def describe(self) -> str:
        """A human-readable line."""
        size = "" if self.num_bytes is None else f"{self.num_bytes} bytes ({format_bytes(self.num_bytes)}), "
        return f"{self.name}: {self.title}; {size}{self.algorithm} {self.digest}"


MANUAL_FILES = (
    ManualFile(
        TRAIN, 147_897_477_120, "sha256",
        "b08200a27a8e34218a0e58fde36b0fe8f73bc377f4acea2d91602057c3ca45bb", "Training images (Task 1 & 2)",
    ),
    ManualFile(
        VALIDATION, 6_744_924_160, "sha256",
        "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0", "Validation images (all tasks)",
    ),
    ManualFile(DEVKIT, None, "md5", "fa75699e90414af021442c21a62c3abf", "Development kit (Task 1 & 2)"),
)  # fmt: skip


def check_present(raw_dir: Path, files: tuple[ManualFile, ...] = MANUAL_FILES) -> None:
    """DataError, saying where to get each file, if a file is missing or has the wrong size."""
    problems = []
    for file in files:
        path = raw_dir / file.name
        if not path.is_file():
            problems.append(f"  missing   {file.describe()}")
        elif file.num_bytes not in (None, path.stat().st_size):
            wrong = "more" if path.stat().st_size < (file.num_bytes or 0) else "fewer"
            problems.append(f"  {path.stat().st_size} bytes, but it should have {wrong}   {file.describe()}")
    if not problems:
        return
    raise DataError(
        "ImageNet (ILSVRC 2012) cannot be fetched for you: its terms are between you and its authors. Register at "
        "https://image-net.org/download-images.php, accept the terms, and fetch from the page of ILSVRC 2012:\n"
        + "\n".join(problems)
        + f"\nPut the files (or symbolic links) into {raw_dir}, then run the same command again. Needed in all: 156 GB "
        "here, 155 GB more for the preprocessed store; these archives are not needed after that."
    )


def require(path: Path) -> None:
    """DataError if a raw file is missing."""
    if not path.is_file():
        raise DataError(f"{path} is not there. Run the `download` task first: it fetches it or says where to get it.")


def check_content(raw_dir: Path, files: tuple[ManualFile, ...] = MANUAL_FILES) -> None:
    """DataError if a file's hash is not the published one. Files checked before are not read again."""
    record = raw_dir / VERIFIED
    try:
        verified = json.loads(record.read_text())
    except (OSError, ValueError):
        verified = {}
    for file in files:
        path = raw_dir / file.name
        state = [path.stat().st_size, path.stat().st_mtime_ns, file.digest]
        if verified.get(file.name) == state:
            continue
        found = _digest(path, file.algorithm)
        if found != file.digest:
            raise DataError(
                f"{path} is not the file expected: its {file.algorithm} is {found}, expected {file.digest}. "
                "Delete it and fetch it again."
            )
        verified[file.name] = state
        write_file(record, json.dumps(verified).encode())


def _digest(path: Path, algorithm: str) -> str:
    digest, done = hashlib.new(algorithm, usedforsecurity=False), 0
    with path.open("rb") as file, byte_progress(f"checking {path.name}", path.stat().st_size) as report:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            report(done := done + len(chunk))
    return digest.hexdigest()


@dataclass(frozen=True)
class Devkit:
    """The content of the development kit.

    Attributes:
      classes: WordNet ids, sorted; the class number is the index here.
      train_counts: training images of each class.
      validation_labels: class numbers of the validation images in the order of their names, int32 (N,).
    """

    classes: list[str]
    train_counts: dict[str, int]
    validation_labels: np.ndarray


def read_devkit(path: Path) -> Devkit:
    """Read the development kit; DataError if it is missing, damaged or contradicts itself."""
    from scipy.io import loadmat

    require(path)
    try:
        members = _members(path, (SYNSETS, GROUND_TRUTH))
        table = loadmat(io.BytesIO(members[SYNSETS]), squeeze_me=True)["synsets"]
        leaves = [row for row in table if int(row["num_children"]) == 0]
        wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        counts = {str(row["WNID"]): int(row["num_train_images"]) for row in leaves}
        ids = [int(word) for word in members[GROUND_TRUTH].split()]
        classes = sorted(wnids.values())
        numbers = {wnid: number for number, wnid in enumerate(classes)}
        labels = np.array([numbers[wnids[number]] for number in ids], np.int32)
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{path} is not the development kit of ILSVRC 2012, or damaged: {type(error).__name__} {error}. "
            "Fetch it again."
        ) from error
    if len(counts) != len(wnids) or not classes or not len(labels):
        raise DataError(f"{path} is damaged: it names {len(wnids)} classes and {len(labels)} validation labels.")
    return Devkit(classes, counts, labels)


def _members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Contents of the members with these file names, in any folder."""
    found = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in names and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
    return found
