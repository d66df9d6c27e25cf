"""Checkpoints: the complete state of a trial, written atomically, readable without any code of the submission.

`checkpoint_<step>/` holds
  manifest.json                    global step, fingerprint, the trial's own state (clocks, evaluations, goals)
  model.{json,safetensors}         parameters and model state
  process_<r>.{json,safetensors}   optimizer state and random state of process r

A checkpoint becomes visible by a rename when all of it is on disk. One that is being written has a name that
begins with a dot.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy

from algoperf import state_tree
from algoperf.data.files import sync_directory
from algoperf.data.publish import sync_tree
from algoperf.errors import AlgoperfError, CheckpointMismatch
from algoperf.frameworks.backend import Backend
from algoperf.records import write_json
from algoperf.state_tree import LeafCodec

FORMAT = 1
_PREFIX = "checkpoint_"
Keep = Literal["last", "all"]


@dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      params, model_state: the model, without wrappers; the same in all processes.
      process: optimizer state and random state of this process.
      trial: what the timed loop itself keeps, as JSON.
    """

    params: Any
    model_state: Any
    process: dict[str, Any]
    trial: dict[str, Any]


def checkpoints(directory: Path) -> list[Path]:
    """The complete checkpoints in a trial's folder, oldest first."""
    found = [path for path in directory.glob(f"{_PREFIX}*") if (path / "manifest.json").is_file()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)))


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of one checkpoint."""
    manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text())
    if manifest.get("format") != FORMAT:
        raise CheckpointMismatch(f"{path} has format {manifest.get('format')}, this version reads format {FORMAT}.")
    return manifest


def check_fingerprint(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise CheckpointMismatch naming every setting in which a checkpoint differs from this run."""
    keys = sorted(set(found) | set(expected))
    differences = [
        f"  {key}: {path.name} has {found.get(key, 'nothing')!r}, this run has {expected.get(key, 'nothing')!r}"
        for key in keys
        if found.get(key) != expected.get(key)
    ]
    if differences:
        raise CheckpointMismatch(
            f"{path} was written by other code or under other settings:\n" + "\n".join(differences) + "\n"
            "Restore them, choose another --output-dir, or start over with --no-resume."
        )


def save(
    directory: Path, step: int, state: State, fingerprint: Mapping[str, Any], backend: Backend, keep: Keep
) -> Path:
    """Write a checkpoint; all processes call it together. Older ones are removed afterwards if `keep` is "last"."""
    final = directory / f"{_PREFIX}{step}"
    temporary = directory / f".{final.name}"
    if backend.rank == 0:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _write_tree(temporary, "model", {"params": state.params, "model_state": state.model_state}, backend.codecs)
    backend.agree(True)  # the folder is there
    _write_tree(temporary, f"process_{backend.rank}", state.process, backend.codecs)
    backend.gather(None)  # all processes have written
    if backend.rank == 0:
        _link_equal_files(temporary, backend.num_processes)
        manifest = {"format": FORMAT, "global_step": step, "num_processes": backend.num_processes}
        write_json(temporary / "manifest.json", {**manifest, "fingerprint": fingerprint, "trial": state.trial})
        _publish(temporary, final)
        if keep == "last":
            for older in checkpoints(directory):
                if older != final:
                    shutil.rmtree(older)
    return final


def restore_model(path: Path, params: Any, model_state: Any, codecs: dict[str, LeafCodec]) -> tuple[Any, Any]:
    """Parameters and model state of a checkpoint, put into freshly initialised ones."""
    restored = _read_tree(path, "model", {"params": params, "model_state": model_state}, codecs)
    return restored["params"], restored["model_state"]


def restore_process(path: Path, template: dict[str, Any], backend: Backend) -> dict[str, Any]:
    """Optimizer state and random state of this process, put into freshly made ones."""
    restored: dict[str, Any] = _read_tree(path, f"process_{backend.rank}", template, backend.codecs)
    return restored


def _write_tree(directory: Path, name: str, value: Any, codecs: dict[str, LeafCodec]) -> None:
    node, arrays = state_tree.encode(value, codecs, "")
    contiguous = {key: np.ascontiguousarray(array).reshape(array.shape) for key, array in arrays.items()}
    safetensors.numpy.save_file(contiguous, directory / f"{name}.safetensors")
    (directory / f"{name}.json").write_text(json.dumps(node))


def _read_tree(path: Path, name: str, template: Any, codecs: dict[str, LeafCodec]) -> Any:
    try:
        arrays = safetensors.numpy.load_file(path / f"{name}.safetensors")
        node = json.loads((path / f"{name}.json").read_text())
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise AlgoperfError(
            f"The checkpoint {path} is damaged: {error}. Remove it to resume from an earlier one or start over."
        ) from error
    return state_tree.decode(node, arrays, template, codecs)


def _link_equal_files(directory: Path, num_processes: int) -> None:
    """Data-parallel processes usually have the same optimizer state: keep it once."""
    first = directory / "process_0.safetensors"
    for rank in range(1, num_processes):
        other = directory / f"process_{rank}.safetensors"
        if _same_content(first, other):
            other.unlink()
            os.link(first, other)


def _same_content(one: Path, other: Path, chunk_bytes: int = 1 << 22) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while chunk := a.read(chunk_bytes):
            if chunk != b.read(chunk_bytes):
                return False
    return True


def _publish(temporary: Path, final: Path) -> None:
    sync_tree(temporary)
    if final.exists():  # the same step again, after a resume
        shutil.rmtree(final)
    temporary.rename(final)
    sync_directory(final.parent)
