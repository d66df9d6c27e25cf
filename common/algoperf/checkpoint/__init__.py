"""Checkpoints: the complete state of a trial, written atomically.

`files` has the folder of a checkpoint, `tree` turns states into JSON and arrays and back, `processes` is what several
processes need to write one together.
"""

from __future__ import annotations

from algoperf.checkpoint.files import (
    Keep,
    check_fingerprint,
    checkpoints,
    content_hash,
    holds_model,
    model_hash,
    read_manifest,
    remove_leftovers,
    restore,
    restore_model,
    save,
    save_model,
    step_of,
)

__all__ = [
    "Keep", "check_fingerprint", "checkpoints", "content_hash", "holds_model", "model_hash", "read_manifest",
    "remove_leftovers", "restore",
    "restore_model", "save", "save_model", "step_of",
]  # fmt: skip
