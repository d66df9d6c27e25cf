"""What `evaluation.json` may say about the checkpoint that reached the target, beside its metrics."""

from __future__ import annotations

SWAPPED = "this is not the checkpoint that was written when the target was reached"
"""The mismatch of a checkpoint whose hash is not that in `referee.json`."""
