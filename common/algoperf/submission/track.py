"""The tracks of the benchmark: algorithms on fixed models, and models on fixed data."""

from __future__ import annotations

from typing import Literal

Track = Literal["algorithm", "model"]
TRACKS: tuple[Track, ...] = ("algorithm", "model")
PUBLISHED = "published"
"""The entry of the model track that has the published model and the NAdamW baseline; no submission may be called so."""
MODELS_FOLDER = "models"
"""Folder of the model submissions below that of all submissions."""
