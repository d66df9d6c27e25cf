"""Small scans in the layout of fastMRI's, as files, folders and archives."""

import gzip
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from algoperf.datasets.archives import tar_of
from algoperf.datasets.fastmri.dataset import FastMRI

SIZE, HEIGHT = 16, 40
SMALL = FastMRI(image_size=SIZE, num_train_volumes=3, num_val_volumes=2, num_validation_volumes=1, shard_bytes=1)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": lambda data: gzip.compress(data, 1),
    ".tar.xz": lambda data: lzma.compress(data, preset=0),
}


@dataclass
class Scan:
    """A volume. Change it, then write it."""

    kspace: np.ndarray
    target: np.ndarray
    maximum: float | None

    @classmethod
    def drawn(cls, seed: int, num_slices: int = 2, width: int = 23) -> "Scan":
        rng = np.random.default_rng(seed)
        kspace = (rng.normal(size=(num_slices, HEIGHT, width, 2)).astype(np.float32) * 1e-4).view(np.complex64)[..., 0]
        target = np.abs(rng.normal(size=(num_slices, SIZE, SIZE)).astype(np.float32)) * np.float32(1e-4)
        return cls(kspace, target, float(target.max()))

    def file(self) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["kspace"], file["reconstruction_esc"] = self.kspace, self.target
            file["reconstruction_rss"] = self.target  # real files have it, nothing uses it
            if self.maximum is not None:
                file.attrs["max"] = self.maximum
        return buffer.getvalue()


def drawn_parts() -> dict[str, dict[str, Scan]]:
    return {
        "train": {"file9.h5": Scan.drawn(1, 3, 23), "file1.h5": Scan.drawn(2, 2, 24), "file5.h5": Scan.drawn(3, 1, 23)},
        "val": {"file3.h5": Scan.drawn(4, 2, 24), "file2.h5": Scan.drawn(5, 1, 23)},
    }


@dataclass
class Scans:
    """The content of both archives by file name. Change it, then write it."""

    parts: dict[str, dict[str, Scan]] = field(default_factory=drawn_parts)
    more: dict[str, bytes] = field(default_factory=dict)  # further files of the training part

    def files(self, part: str) -> dict[str, bytes]:
        files = {name: scan.file() for name, scan in self.parts[part].items()}
        return files | (self.more if part == "train" else {})

    def write_folders(self, directory: Path, prefix: str = "knee_singlecoil_") -> Path:
        for part in self.parts:
            folder = directory / f"{prefix}{part}"
            folder.mkdir(parents=True)
            for name, content in self.files(part).items():
                (folder / name).write_bytes(content)
        return directory

    def archive(self, part: str) -> bytes:
        return tar_of({f"singlecoil_{part}/{name}": content for name, content in self.files(part).items()})

    def write_archives(self, directory: Path, suffix: str = ".tar.xz") -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for part in self.parts:
            (directory / f"knee_singlecoil_{part}{suffix}").write_bytes(PACKED[suffix](self.archive(part)))
        return directory
