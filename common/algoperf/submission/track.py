"""The tracks of the benchmark: algorithms on fixed models, and models on fixed data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from algoperf.workload.definition import Framework

Track = Literal["algorithm", "model"]
TRACKS: tuple[Track, ...] = ("algorithm", "model")
PUBLISHED = "published"
"""The entry of the model track that has the published model and the NAdamW baseline; no submission may be called so."""
MODELS_FOLDER = "models"
"""Folder of the model submissions below that of all submissions."""
ALGORITHM_FILE = "submission.py"
MODEL_FILES: Mapping[Framework, str] = {"jax": "model_jax.py", "pytorch": "model_torch.py"}


def is_model(path: Path) -> bool:
    """Whether a folder holds a model submission."""
    return any((path / name).is_file() for name in MODEL_FILES.values())
