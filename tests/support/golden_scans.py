"""The k-space that the golden files of fastMRI's pipeline were computed from, as files."""

from pathlib import Path

import h5py
import numpy as np

import golden
from algoperf.datasets.fastmri.dataset import FastMRI

GOLDEN = golden.read("pipelines/fastmri_pipeline")
_FIRST_VALIDATION_VOLUMES = 2  # the third is the test data of these tests


def golden_dataset() -> FastMRI:
    """The dataset, with as many volumes as the golden files name."""
    counts = [sum(volume["split_folder"] == part for volume in GOLDEN["volumes"]) for part in ("train", "val")]
    return FastMRI(320, *counts, num_validation_volumes=_FIRST_VALIDATION_VOLUMES)


def write_golden_scans(directory: Path) -> Path:
    """Write all volumes, in folders."""
    for volume in GOLDEN["volumes"]:
        folder = directory / f"knee_singlecoil_{volume['split_folder']}"
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{volume['name']}.h5", volume)
    return directory


def _write(path: Path, volume: dict) -> None:
    slices, width = volume["slices"], volume["width"]
    generator = golden.generator(f"fastmri:{volume['name']}", 0)
    noise = generator.standard_normal((slices, 640, width, 2), dtype=np.float32)
    rows, columns = (np.arange(size, dtype=np.float32) - size // 2 for size in (640, width))
    envelope = np.float32(1e-3) / (1 + (rows[:, None] ** 2 + columns**2) / np.float32(400))
    target = generator.standard_normal((slices, 320, 320), dtype=np.float32)
    with h5py.File(path, "w") as file:
        file["kspace"] = (noise * envelope[..., None]).view(np.complex64)[..., 0]
        file["reconstruction_esc"] = np.float32(2e-5) * np.abs(target**3)
        if volume["attribute_max"]:
            file.attrs["max"] = file["reconstruction_esc"][:].max()
