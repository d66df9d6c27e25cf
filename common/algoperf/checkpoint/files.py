"""Files of a checkpoint: written atomically, readable without any code of the submission.

`checkpoint_<step>/` holds
  manifest.json                    global step, fingerprint, the trial's own state (clocks, evaluations, goals)
  model.{json,safetensors}         parameters and model state
  process_<r>.{json,safetensors}   optimizer state and random state of process r
  model_of_process_<r>...          parameters and model state of process r, if they differ from those of process 0

A checkpoint is written under a name that begins with a dot, and renamed when all of it is on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy

from algoperf.checkpoint.processes import Processes
from algoperf.checkpoint.tree import Arrays, Decoder, Encoder, LeafCodec, Node
from algoperf.data.files import sha256_of, sync_directory, write_file
from algoperf.data.publish import sync_tree
from algoperf.errors import AlgoperfError, CheckpointMismatch, DiskFull, UnsavedState, explaining_full_disk
from algoperf.text import fate

FORMAT = 1
_PREFIX = "checkpoint_"
_REMOVED = ".removed_"
Keep = Literal["last", "all"]


def checkpoints(directory: Path) -> list[Path]:
    """The complete checkpoints in a trial's folder, oldest first."""
    found = [path for path in directory.glob(f"{_PREFIX}*") if (path / "manifest.json").is_file()]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The step of a checkpoint, by the name of its folder."""
    return int(path.name.removeprefix(_PREFIX))


def content_hash(path: Path) -> str | None:
    """One SHA-256 over what an evaluation reads of a checkpoint: manifest and model. None if a file is missing."""
    return _hash_of(path, "manifest.json", "model.json", "model.safetensors")


def _hash_of(path: Path, *names: str) -> str | None:
    digest = hashlib.sha256()
    for name in names:
        if not (path / name).is_file():
            return None
        digest.update(bytes.fromhex(sha256_of(path / name)))
    return digest.hexdigest()


def holds_model(path: Path) -> bool:
    """Whether the files of a model are there, and are files: a pipe could be read forever."""
    return all((path / name).is_file() for name in ("model.json", "model.safetensors"))


def model_hash(path: Path) -> str | None:
    """One SHA-256 over parameters and model state of a checkpoint or snapshot. None if a file is missing."""
    return _hash_of(path, "model.json", "model.safetensors")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of one checkpoint."""
    with _explaining_damage(path):
        manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text())
        found = manifest.get("format")
    if found != FORMAT:
        raise CheckpointMismatch(f"{path} has format {found}, this version reads format {FORMAT}.")
    return manifest


def check_fingerprint(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise CheckpointMismatch naming every setting in which a checkpoint differs from this run."""
    expected = json.loads(json.dumps(expected))
    keys = sorted(set(found) | set(expected))
    differences = []
    for key in keys:
        if found.get(key) != expected.get(key):
            told = fate(key, found.get(key), expected.get(key), f"since {path.name}")
            values = (
                f"{key}: {path.name} has {found.get(key, 'nothing')!r}, this run has {expected.get(key, 'nothing')!r}"
            )
            differences.append(f"  {told or values}")
    if differences:
        raise CheckpointMismatch(
            f"{path} was written by other code or under other settings:\n" + "\n".join(differences) + "\n"
            "Restore them, choose another --output-dir, or start over with --no-resume."
        )


def save(
    directory: Path,
    step: int,
    model: Any,
    process: Any,
    notes: Mapping[str, Any],
    processes: Processes,
    keep: Keep,
    spare: int | None = None,
) -> Path:
    """Write a checkpoint. All processes must call this together.

    If `keep` is "last", removes older ones afterwards, but not that of the step `spare`.

    Args:
      model: tree of parameters and model state, without wrappers; the same in all processes.
      process: tree of what belongs to this process alone, such as optimizer state and random state.
      notes: JSON that the manifest holds beside its own: `fingerprint`, and the timed loop's state as `trial`.

    Raises UnsavedState, in all processes and before anything is written, if one of them has a state that cannot be
    encoded.
    """
    final = directory / f"{_PREFIX}{step}"
    temporary = directory / f".{final.name}"
    model_tree, process_tree = _encode(model, process, processes)
    if processes.rank == 0:
        remove_leftovers(directory)
    needed = sum(array.nbytes for _, arrays in (model_tree, process_tree) for array in arrays.values())
    try:
        with explaining_full_disk(directory, needed):
            _write(temporary, step, model_tree, process_tree, notes, processes)
    except DiskFull:
        remove_leftovers(directory)  # half a checkpoint must not keep the disk full
        raise
    if processes.rank == 0:
        _publish(temporary, final)
        if keep == "last":
            for older in checkpoints(directory):
                if older != final and older.name != f"{_PREFIX}{spare}":
                    _remove(older)
    processes.agree(True)  # keep all processes alive until process 0 has finished writing
    return final


def save_model(path: Path, model: Any, codecs: dict[str, LeafCodec]) -> None:
    """Write parameters and model state alone into a new folder, for `restore_model`. UnsavedState if it cannot."""
    try:
        node, arrays = Encoder(codecs).tree(model)
    except Exception as error:
        raise UnsavedState(f"{type(error).__name__}: {error}") from error
    shutil.rmtree(path, ignore_errors=True)
    with explaining_full_disk(path.parent, sum(array.nbytes for array in arrays.values())):
        path.mkdir()
        _write_tree(path, "model", node, arrays)


def _write(
    temporary: Path,
    step: int,
    model_tree: tuple[Node, Arrays],
    process_tree: tuple[Node, Arrays],
    notes: Mapping[str, Any],
    processes: Processes,
) -> None:
    """Write all files of a checkpoint, together with the other processes."""
    if processes.rank == 0:
        temporary.mkdir(parents=True)
        _write_tree(temporary, "model", *model_tree)
    processes.agree(True)  # the folder is there
    _write_tree(temporary, f"process_{processes.rank}", *process_tree)
    if _is_other_model(model_tree[1], processes):
        _write_tree(temporary, f"model_of_process_{processes.rank}", *model_tree)
    processes.gather(None)  # all processes have written
    if processes.rank == 0:
        _link_equal_files(temporary, processes.num_processes)
        content = {"format": FORMAT, "global_step": step, "num_processes": processes.num_processes, **notes}
        # Metrics may be NaN, and must come back as such: plain json, in which NaN is NaN.
        write_file(temporary / "manifest.json", (json.dumps(content, indent=2) + "\n").encode())
        sync_tree(temporary)


def _encode(model: Any, process: Any, processes: Processes) -> tuple[tuple[Node, Arrays], tuple[Node, Arrays]]:
    """Encode the model, then this process's state.

    Every process encodes the model, because objects shared with the optimizer are numbered there.
    """
    encoder, failure, encoded = Encoder(processes.codecs), None, []
    try:
        for tree in (model, process):
            encoded.append(encoder.tree(tree))
    except Exception as error:  # state_dict is the submission's own code
        failure = f"{type(error).__name__}: {error}"
    failures = [each for each in processes.gather(failure) if each is not None]
    if failures:
        raise UnsavedState(failures[0])
    model_tree, process_tree = encoded
    return model_tree, process_tree


def restore_model(path: Path, model: Any, codecs: dict[str, LeafCodec]) -> Any:
    """The model of a checkpoint, loaded into a newly initialised one."""
    return _read_tree(path, "model", model, Decoder(codecs))


def restore(path: Path, model: Any, process: Any, processes: Processes) -> tuple[Any, Any]:
    """Model and state of this process in a checkpoint, loaded into newly made ones."""
    decoder = Decoder(processes.codecs)
    own = f"model_of_process_{processes.rank}"
    name = own if (path / f"{own}.json").exists() else "model"
    return _read_tree(path, name, model, decoder), _read_tree(path, f"process_{processes.rank}", process, decoder)


def _write_tree(directory: Path, name: str, node: Node, arrays: Arrays) -> None:
    storable = {key: _storable(array) for key, array in arrays.items()}
    safetensors.numpy.save_file(storable, directory / f"{name}.safetensors")
    (directory / f"{name}.json").write_text(json.dumps({"root": node, "complex128": _complex_names(arrays)}))


def _storable(array: np.ndarray) -> np.ndarray:
    contiguous = np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype == np.complex128:  # the only native type that safetensors lacks
        return contiguous.reshape(*array.shape, 1).view(np.float64)
    return contiguous


def _is_other_model(arrays: Arrays, processes: Processes) -> bool:
    """Whether this process's model differs from that of process 0: some methods let them drift apart for a while."""
    if processes.num_processes == 1:
        return False
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    own = digest.digest()
    return bool(own != processes.gather(own)[0])


def _complex_names(arrays: Arrays) -> list[str]:
    return [name for name, array in arrays.items() if array.dtype == np.complex128]


def _read_tree(path: Path, name: str, template: Any, decoder: Decoder) -> Any:
    with _explaining_damage(path):
        content = json.loads((path / f"{name}.json").read_text())
        # Not mapped into memory, so that an array takes its own size once, and only until it is decoded.
        with safetensors.numpy.safe_open(path / f"{name}.safetensors", framework="np", backend="pread") as file:
            return decoder.tree(content["root"], _StoredArrays(file, content["complex128"]), template)


class _StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of an open file, each read whenever it is asked for."""

    def __init__(self, file: Any, complex_names: list[str]) -> None:
        self._file = file
        self._names = dict.fromkeys(file.keys())
        self._complex = frozenset(complex_names)

    def __getitem__(self, name: str) -> np.ndarray:
        self._names[name]  # KeyError: what the file lacks is named as in a dictionary
        array: np.ndarray = self._file.get_tensor(name)
        return array.view(np.complex128)[..., 0] if name in self._complex else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except AlgoperfError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise AlgoperfError(
            f"The checkpoint {path} is damaged: {type(error).__name__}: {error}. "
            "Remove it to resume from an earlier one or start over."
        ) from error


def _link_equal_files(directory: Path, num_processes: int) -> None:
    """Store equal optimizer states of data-parallel processes once."""
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
    if final.exists():  # the same step again, after a resume
        _remove(final)
    temporary.rename(final)
    sync_directory(final.parent)


def _remove(path: Path) -> None:
    """Remove a checkpoint. Rename it first, so that a half-removed one is never taken for a checkpoint."""
    condemned = path.with_name(f"{_REMOVED}{path.name}")
    path.rename(condemned)
    shutil.rmtree(condemned)


def remove_leftovers(directory: Path) -> None:
    """Remove checkpoints that a crash left half written or half removed."""
    for pattern in (f".{_PREFIX}*", f"{_REMOVED}*"):
        for leftover in directory.glob(pattern):
            shutil.rmtree(leftover)
