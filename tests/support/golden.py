"""Golden files of the reference implementation: their location, and the weights they were computed with.

ALGOPERF_GOLDENS names the folder; the default is beside the repository. If it is missing, the small copies in
tests/goldens are used. They cover mnist, the metric and batches of ogbg, the metric and inputs of fastmri, word errors
and masks of speech, the loss and lines of criteo1tb, tokens and windows of text, packing,
loss, beam search and BLEU of translation, the random numbers and a few search spaces.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from places import GOLDENS, SHARED_GOLDENS

# Of random numbers: variants of a model have the same names for most, and a table of tokens has 33 million.
_KEPT_BYTES = 5 << 28
_GIVEN = os.environ.get("ALGOPERF_GOLDENS")
FOLDER = Path(_GIVEN) if _GIVEN else SHARED_GOLDENS
COMPLETE = FOLDER.is_dir()
ROOT = FOLDER if COMPLETE else GOLDENS
if _GIVEN and not COMPLETE:
    raise FileNotFoundError(f"ALGOPERF_GOLDENS is {_GIVEN}, which is not a folder.")


def names(pattern: str) -> list[str]:
    """Matching files, sorted, relative to the root and without suffix; skips `_` files, which are overviews."""
    found = sorted(path for path in ROOT.glob(pattern) if not path.name.startswith("_"))
    return [path.relative_to(ROOT).as_posix().removesuffix(".json") for path in found]


def has_copy(name: str) -> bool:
    """Whether a file is one of those that are small enough for tests/goldens."""
    return (GOLDENS / f"{name}.json").exists()


def _file(name: str) -> Path:
    """A file of the folder; where a folder of other seeds lacks one that has no seed, the copy."""
    given = ROOT / name
    return given if given.exists() else GOLDENS / name


@functools.cache
def read(name: str) -> dict[str, Any]:
    """A JSON file, by its name without the suffix."""
    content: dict[str, Any] = json.loads(_file(f"{name}.json").read_text())
    return content


def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by its name without the suffix."""
    with np.load(_file(f"{name}.npz")) as file:
        return dict(file)


def thinned(array: np.ndarray, every: int) -> np.ndarray:
    """Large arrays are stored as every k-th element of the flattened array."""
    return array if every == 1 else array.reshape(-1)[::every]


def generator(name: str, seed: int) -> np.random.Generator:
    """The random numbers of a name: see the description of the golden files."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


class _Draws:
    """The first and second draw of names. What was used last is kept, and where each generator goes on."""

    def __init__(self) -> None:
        self._arrays: OrderedDict[tuple[Any, ...], np.ndarray] = OrderedDict()
        self._after_first: dict[tuple[Any, ...], Any] = {}

    def __call__(self, number: int, *key: Any) -> np.ndarray:
        """Draw 0 or 1 of a name, shape and seed; not to be changed."""
        found = self._arrays.pop((number, *key), None)
        if found is None:
            found = self._new(number, *key)
        self._arrays[number, *key] = found
        while sum(array.nbytes for array in self._arrays.values()) > _KEPT_BYTES:
            self._arrays.popitem(last=False)
        return found

    def _new(self, number: int, name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
        numbers, key = generator(name, seed), (name, shape, seed)
        if number and key not in self._after_first:
            self(0, *key)
        if number:
            numbers.bit_generator.state = self._after_first[key]
        found: np.ndarray = numbers.standard_normal(shape, dtype=np.float32)
        self._after_first.setdefault(key, numbers.bit_generator.state)
        found.flags.writeable = False
        return found


_draws = _Draws()


def weight(name: str, shape: tuple[int, ...], rule: str, seed: int) -> np.ndarray:
    """The deterministic value of a parameter or running statistic, float32."""
    x = _draws(0, name, shape, seed)
    tenth = np.float32(0.1)
    if rule == "matrix":
        return x * np.float32((np.prod(shape) / max(shape)) ** -0.5)
    if rule in ("bias", "run_mean"):
        return tenth * x
    if rule == "scale":
        return 1 + tenth * x
    if rule == "run_var":
        return 1 + tenth * np.abs(x)
    raise ValueError(f"{name}: no weight rule called {rule!r}")


def probe(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The factor for the gradient of a parameter: the draw after that of its weight, float64."""
    return _draws(1, name, shape, seed).astype(np.float64)


def weights(entries: list[dict[str, Any]], seed: int) -> dict[str, np.ndarray]:
    """Values for the `params` or `state` entries of a file; entries without a rule keep their initial value."""
    return {
        entry["name"]: weight(entry["name"], tuple(entry["shape"]), entry["rule"], seed)
        for entry in entries
        if entry["rule"] is not None
    }
