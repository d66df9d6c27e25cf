"""ImageNet's archives as units of work: each yields the images of one shard.

The training archive is a tar of one tar per class, the validation archive a tar of 50,000 images, the test
archive a compressed tar of one folder per class number. Images are copied unchanged.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.images.jpeg import to_stored
from algoperf.data.store.record_units import Record, grouped
from algoperf.datasets.imagenet.raw import Devkit, require
from algoperf.errors import DataError
from algoperf.text import counted

SHARD_BYTES = 1 << 30
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d+)\.JPE?G", re.IGNORECASE)
_CORRUPT = (tarfile.TarError, EOFError, OSError)


@dataclass(frozen=True)
class Piece:
    """Consecutive bytes of an archive: one member of it."""

    name: str
    offset: int
    num_bytes: int
    target: int
    num_images: int = 1


def list_members(path: Path) -> list[tarfile.TarInfo]:
    """The files in an uncompressed tar. DataError if it is missing, truncated or corrupt."""
    require(path)
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if member.isfile()]
    except _CORRUPT as error:
        raise _corrupt(path, str(error)) from error
    for member in members:
        if member.offset_data + member.size > size:
            raise _corrupt(path, f"it ends within {member.name}")
    return members


def _corrupt(path: Path, what: str) -> DataError:
    return DataError(f"{path} is truncated or corrupt: {what}. Fetch it again.")


def _record(key: str, data: bytes, target: int, source: str) -> Record:
    try:
        stored, height, width = to_stored(data)
    except DataError as error:
        raise DataError(f"{source} is damaged: {error}. Fetch the archive again.") from None
    return Record(key, stored, {"targets": np.int32(target), "heights": np.int32(height), "widths": np.int32(width)})


def _check_class(path: Path, name: str, tar: str) -> None:
    """DataError if a training picture's name says another class than the tar that it lies in."""
    named, own = name.rpartition("/")[2].partition("_")[0], tar.removesuffix(".tar")
    if re.fullmatch(r"n\d+", named) and named != own:
        raise DataError(f"{path} is not the published archive: {name} lies in {tar}. Fetch it again.")


@dataclass(frozen=True)
class PiecesShard:
    """The images in an archive: its `pieces` themselves, or, if `nested`, the members of the tars that `pieces` are."""

    path: Path
    pieces: tuple[Piece, ...]
    nested: bool

    @property
    def num_bytes(self) -> int:
        """Size of the pieces."""
        return sum(piece.num_bytes for piece in self.pieces)

    @property
    def identity(self) -> str:
        """Archive and pieces."""
        return f"{_identity(self.path)} {self.pieces}"

    def records(self) -> Iterator[Record]:
        """All images."""
        with self.path.open("rb") as file:
            for piece in self.pieces:
                file.seek(piece.offset)
                content = file.read(piece.num_bytes)
                if self.nested:
                    yield from self._inside(piece, content)
                else:
                    yield _record(piece.name, content, piece.target, f"{piece.name} in {self.path}")

    def _inside(self, piece: Piece, content: bytes) -> Iterator[Record]:
        count = 0
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
                for member in archive:
                    if not member.isfile():
                        continue
                    count += 1
                    _check_class(self.path, member.name, piece.name)
                    data = content[member.offset_data : member.offset_data + member.size]
                    yield _record(member.name, data, piece.target, f"{member.name} in {piece.name} in {self.path}")
        except tarfile.TarError as error:
            raise _corrupt(self.path, f"{piece.name} in it: {error}") from error
        if count != piece.num_images:
            raise DataError(
                f"{piece.name} in {self.path} holds {counted(count, 'image')}, but the development kit says "
                f"{piece.num_images}. Fetch the archive again."
            )


@dataclass(frozen=True)
class TestShard:
    """The whole test archive. It is compressed, so it can only be read from its start."""

    __test__ = False  # keep pytest from collecting it because of its name

    path: Path
    num_classes: int

    @property
    def num_bytes(self) -> int:
        """Size of the archive, because images hardly compress."""
        return self.path.stat().st_size

    @property
    def identity(self) -> str:
        """The archive."""
        return _identity(self.path)

    def records(self) -> Iterator[Record]:
        """All images. The folder name is the class number; DataError if the folders differ in size."""
        counts = np.zeros(self.num_classes, int)
        try:
            with tarfile.open(self.path, "r:*") as archive:
                for member in archive:
                    if member.isfile() and (file := archive.extractfile(member)) is not None:
                        target = self._target(member.name)
                        counts[target] += 1
                        yield _record(
                            f"{target:04d}/{member.name}", file.read(), target, f"{member.name} in {self.path}"
                        )
        except (*_CORRUPT, ValueError) as error:
            raise _corrupt(self.path, str(error)) from error
        if counts.min() == 0 or counts.min() != counts.max():
            raise _corrupt(
                self.path, f"its {self.num_classes} classes have between {counts.min()} and {counts.max()} images"
            )

    def _target(self, name: str) -> int:
        folder = name.split("/")[-2] if "/" in name else ""
        if not folder.isdigit() or int(folder) >= self.num_classes:
            raise ValueError(f"{name} does not lie in a folder numbered from 0 to {self.num_classes - 1}")
        return int(folder)


def _identity(path: Path) -> str:
    state = path.stat()
    return f"{path.name} {state.st_size} {state.st_mtime_ns}"


def train_shards(path: Path, devkit: Devkit, shard_bytes: int = SHARD_BYTES) -> list[PiecesShard]:
    """The training archive, class by class. DataError if its classes differ from the development kit's."""
    tars = {member.name.rpartition("/")[2].removesuffix(".tar"): member for member in list_members(path)}
    if sorted(tars) != devkit.classes:
        wrong = sorted(set(tars) ^ set(devkit.classes))
        raise DataError(
            f"{path} has {len(tars)} classes, the development kit {len(devkit.classes)}; only one of them has "
            f"{', '.join(wrong[:3])}. Fetch both again."
        )
    pieces = [
        Piece(f"{wnid}.tar", tars[wnid].offset_data, tars[wnid].size, number, devkit.train_counts[wnid])
        for number, wnid in enumerate(devkit.classes)
    ]
    return [PiecesShard(path, group, nested=True) for group in grouped(pieces, shard_bytes)]


def validation_shards(path: Path, devkit: Devkit, shard_bytes: int = SHARD_BYTES) -> list[PiecesShard]:
    """The validation archive; the label of picture n is the n-th one, wherever in the archive it lies.

    DataError if the pictures are not those that there are labels for, or if a folder contradicts a label.
    """
    members, labels = list_members(path), devkit.validation_labels.tolist()
    if len(members) != len(labels):
        raise DataError(
            f"{path} holds {counted(len(members), 'image')}, but the development kit has labels for {len(labels)}. "
            "Fetch both again."
        )
    by_number: dict[int, Piece] = {}
    for member in members:
        number = _validation_number(path, member.name, len(labels))
        if number in by_number:
            raise _rebuilt(path, f"both {by_number[number].name} and {member.name} have the number {number}")
        label = labels[number - 1]
        _check_folder(path, member.name, devkit.classes, label)
        # The published name: the order of the store is that of the names.
        by_number[number] = Piece(f"ILSVRC2012_val_{number:08d}.JPEG", member.offset_data, member.size, label)
    pieces = [by_number[number] for number in sorted(by_number)]
    return [PiecesShard(path, group, nested=False) for group in grouped(pieces, shard_bytes)]


def _validation_number(path: Path, name: str, num_labels: int) -> int:
    """The number in the name of a validation picture, from 1."""
    found = _VALIDATION_NAME.fullmatch(name.rpartition("/")[2])
    if found is None or not 1 <= int(found[1]) <= num_labels:
        raise _rebuilt(path, f"{name} is not named ILSVRC2012_val_N.JPEG with N from 1 to {num_labels}")
    return int(found[1])


def _check_folder(path: Path, name: str, classes: list[str], label: int) -> None:
    """DataError if a picture lies in the folder of another class, as rebuilt archives have folders."""
    folder = name.split("/")[-2] if "/" in name else ""
    if folder in classes and folder != classes[label]:
        raise _rebuilt(path, f"{name} lies in the folder of {folder}, but its label is {classes[label]}")


def _rebuilt(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} is not the published archive: {what}. Labels are found by these numbers, so they would be wrong. "
        "Fetch the archive again."
    )
